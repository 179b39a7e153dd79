"""Converts models from and to other formats."""

from flan_jax.interop.families import FAMILIES, find_family
from flan_jax.interop.hf_config import decoder_config, family_for
from flan_jax.interop.model_source import InteropError, Source
from flan_jax.interop.open_model import open_source
from flan_jax.interop.params import import_params

__all__ = [
  'FAMILIES',
  'InteropError',
  'Source',
  'decoder_config',
  'family_for',
  'find_family',
  'import_params',
  'open_source',
]
