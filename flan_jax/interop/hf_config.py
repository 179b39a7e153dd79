"""Converts between config.json and `DecoderConfig`."""

from collections.abc import Iterator, Mapping
import dataclasses
from typing import Any

from flan_jax.errors import ConfigError
from flan_jax.interop.families import FAMILIES, Family
from flan_jax.interop.hf_rope import (
  PARTIAL,
  rope_fields,
  rope_refusals,
  to_hf_rope,
  with_flat_rope,
)
from flan_jax.interop.hf_window import (
  to_hf_window,
  window_fields,
  window_refusals,
)
from flan_jax.interop.model_source import InteropError
from flan_jax.model import DecoderConfig
from flan_jax.training.checkpoint_record import differing

# Hugging Face's activations -> ours.
_ACTIVATIONS = {
  'silu': 'silu',
  'swish': 'silu',
  'gelu': 'gelu_exact',
  'gelu_pytorch_tanh': 'gelu',
  'gelu_new': 'gelu',
}
# Sizes in config.json -> ours.
_SIZES = {
  'vocab_size': 'vocab_size',
  'num_hidden_layers': 'num_layers',
  'hidden_size': 'd_model',
  'intermediate_size': 'd_ff',
  'num_attention_heads': 'num_heads',
  'num_key_value_heads': 'num_kv_heads',
  'head_dim': 'head_dim',
}
_OPTIONAL = ('num_key_value_heads', 'head_dim')
# Default of most families in transformers.
_NORM_EPS = 1e-6


def decoder_config(
  family: Family, config: Mapping[str, Any], context: int | None = None
) -> DecoderConfig:
  """Returns the shape of a model.

  Args:
    family: Family of the model.
    config: Contents of config.json.
    context: Longest sequence, in tokens, that the model will read; None for
      its context length. An attention window of at least this length has no
      effect.

  Raises:
    InteropError: `DecoderConfig` does not support the model; lists why.
  """
  config = _as_llamas(family, config)
  given = {key: config[key] for key in _SIZES if config.get(key) is not None}
  if missing := [k for k in _SIZES if k not in given and k not in _OPTIONAL]:
    raise InteropError(f'config.json lacks {", ".join(missing)}')
  context = context or config.get('max_position_embeddings')
  if refused := list(_refusals(family, config, context)):
    raise InteropError(
      f'this {family.name} model uses features that are not supported: '
      f'{"; ".join(refused)}'
    )
  heads = given['num_attention_heads']
  sizes = {'num_kv_heads': heads, 'head_dim': given['hidden_size'] // heads}
  sizes |= {_SIZES[key]: size for key, size in given.items()}
  try:
    return DecoderConfig(
      **sizes,
      **rope_fields(config, sizes['head_dim']),
      **window_fields(family, config, context),
      activation=_ACTIVATIONS[config.get('hidden_act') or 'silu'],
      norm_eps=config.get('rms_norm_eps') or _NORM_EPS,
      tie_embeddings=bool(config.get('tie_word_embeddings')),
      **family.fields,
      **_stated(family, config),
    )
  except ConfigError as error:
    raise InteropError(
      f'config.json describes a model that cannot be: {error}'
    ) from error


def _as_llamas(family: Family, config: Mapping[str, Any]) -> dict[str, Any]:
  """Returns a config.json with Llama's names of keys, and with defaults."""
  if 'rope_local_base_freq' in family.settings:
    config = with_flat_rope(config)
  renamed = {
    llamas: config[key]
    for llamas, key in family.keys.items()
    if config.get(key) is not None
  }
  own = {k: v for k, v in config.items() if k not in family.without}
  return {**family.defaults, **own, **renamed}


def _stated(family: Family, config: Mapping[str, Any]) -> dict[str, Any]:
  """Returns the fields that this family's own keys of config.json state."""
  return {
    name: config[key]
    for key, names in family.settings.items()
    for name in names
    if config.get(key) is not None
  }


def _refusals(
  family: Family, config: Mapping[str, Any], context: int | None
) -> Iterator[str]:
  """Yields the features of a model that `DecoderConfig` does not support."""
  yield from rope_refusals(config, PARTIAL in family.keys)
  activation = config.get('hidden_act') or 'silu'
  if activation not in _ACTIVATIONS:
    yield f'activation {activation!r}'
  for key in ('attention_bias', 'mlp_bias'):
    if config.get(key) and key not in family.settings:
      yield key
  if config.get('num_local_experts') or config.get('num_experts'):
    yield 'mixture of experts'
  if config.get('quantization_config'):
    method = config['quantization_config'].get('quant_method')
    yield f'weights quantized by {method!r}'
  yield from window_refusals(family, config, context)


def family_for(config: DecoderConfig) -> Family:
  """Returns the family whose `transformers` class computes a decoder.

  Raises:
    InteropError: there is none; names what the nearest one lacks.
  """
  if config.position != 'rope':
    raise InteropError(
      f'transformers has no decoder with position={config.position!r} like '
      "ours; only models with position='rope' can be exported"
    )
  lacks: dict[str, list[str]] = {}
  for family in FAMILIES.values():
    # The family fits if its config.json says all there is to say.
    stated = to_hf_config(family, config, 1 + (config.window or 0))
    try:
      back = dataclasses.asdict(decoder_config(family, stated))
    except InteropError:
      continue
    lacks[family.architecture] = list(differing(back, config))
    if not lacks[family.architecture]:
      return family
  nearest = min(lacks, key=lambda name: len(lacks[name]))
  raise InteropError(
    'transformers has no class for this model, so it cannot be exported; '
    f'{nearest} differs in {", ".join(lacks[nearest])}'
  )


def to_hf_config(
  family: Family, config: DecoderConfig, context: int
) -> dict[str, Any]:
  """Returns the config.json of a model.

  Args:
    family: From `family_for`.
    config: Shape of the decoder.
    context: Context length in tokens.
  """
  names = {ours: theirs for theirs, ours in reversed(_ACTIVATIONS.items())}
  stated = {
    **{theirs: getattr(config, ours) for theirs, ours in _SIZES.items()},
    'hidden_act': names[config.activation],
    'rms_norm_eps': config.norm_eps,
    **to_hf_rope(config, PARTIAL in family.keys),
    'max_position_embeddings': context,
    'tie_word_embeddings': config.tie_embeddings,
    'attention_bias': False,
    'mlp_bias': False,
    **to_hf_window(family, config, context),
    **{key: getattr(config, own[0]) for key, own in family.settings.items()},
  }
  return {
    'architectures': [family.architecture],
    'model_type': family.name,
    **{
      family.keys.get(key, key): value
      for key, value in stated.items()
      if key not in family.without
    },
  }
