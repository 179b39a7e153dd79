"""Mixtures. Importing this package registers all of them."""

from flan_jax.mixtures import ablations, controls, holdout

__all__ = ['ablations', 'controls', 'holdout']
