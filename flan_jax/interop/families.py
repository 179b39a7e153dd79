"""The families that can be imported and exported."""

from flan_jax.interop import llama, mistral, qwen2, qwen3
from flan_jax.interop.family import Family
from flan_jax.interop.model_source import InteropError
from flan_jax.model import DecoderConfig

FAMILIES: dict[str, Family] = {
  family.name: family
  for family in (llama.FAMILY, mistral.FAMILY, qwen2.FAMILY, qwen3.FAMILY)
}


def family_for(config: DecoderConfig) -> Family:
  """Returns the family whose class in `transformers` computes a model.

  Raises:
    InteropError: there is none; says why.
  """
  if config.position != 'rope':
    raise InteropError(
      f'no class of transformers computes position={config.position!r} in a '
      "decoder like ours; only models with position='rope' can be exported"
    )
  # Llama and Mistral compute the same.
  for family in FAMILIES.values():
    fields = {'qkv_bias': False, 'qk_norm': False, **family.fields}
    if all(getattr(config, name) == value for name, value in fields.items()):
      return family
  raise InteropError(
    'no class of transformers has both qkv_bias and qk_norm, so this model '
    'cannot be exported'
  )
