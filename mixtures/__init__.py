"""The mixtures; importing this registers all of them."""

from flan_jax.mixtures import holdout

__all__ = ['holdout']
