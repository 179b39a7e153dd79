"""The families of models that can be imported and exported."""

from collections.abc import Mapping
from typing import Any

from flan_jax.interop import llama, mistral, qwen2, qwen3
from flan_jax.interop.family import Family
from flan_jax.interop.model_source import InteropError
from flan_jax.model import DecoderConfig

FAMILIES: dict[str, Family] = {
  family.name: family
  for family in (llama.FAMILY, mistral.FAMILY, qwen2.FAMILY, qwen3.FAMILY)
}


def find_family(config: Mapping[str, Any]) -> Family:
  """Returns the family of a config.json.

  Raises:
    InteropError: models of this type are not supported.
  """
  name = config.get('model_type')
  if name in FAMILIES:
    return FAMILIES[name]
  experts = ('num_local_experts', 'num_experts', 'n_routed_experts')
  mixture = any(config.get(key) for key in experts)
  raise InteropError(
    f'models of type {name!r}'
    + (' (mixture of experts)' if mixture else '')
    + f' cannot be imported; supported are {", ".join(FAMILIES)}'
  )


def family_for(config: DecoderConfig) -> Family:
  """Returns the family whose `transformers` class computes a decoder.

  Raises:
    InteropError: there is none.
  """
  if config.position != 'rope':
    raise InteropError(
      f'transformers has no decoder with position={config.position!r} like '
      "ours; only models with position='rope' can be exported"
    )
  # Llama and Mistral compute the same.
  for family in FAMILIES.values():
    fields = {'qkv_bias': False, 'qk_norm': False, **family.fields}
    if all(getattr(config, name) == value for name, value in fields.items()):
      return family
  raise InteropError(
    'transformers has no class with both qkv_bias and qk_norm, so this model '
    'cannot be exported'
  )
