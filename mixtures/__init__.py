"""Mixtures. Importing this package registers all of them."""

from flan_jax.mixtures import ablations, holdout

__all__ = ['ablations', 'holdout']
