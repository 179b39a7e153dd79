"""Converts between config.json and `DecoderConfig`."""

from collections.abc import Iterator, Mapping
from typing import Any

from flan_jax.errors import ConfigError
from flan_jax.interop.families import Family
from flan_jax.interop.hf_rope import rope_fields, rope_refusals, to_hf_rope
from flan_jax.interop.model_source import InteropError
from flan_jax.model import DecoderConfig

# Hugging Face's activations -> ours. Its 'gelu' is exact, ours approximate.
_ACTIVATIONS = {
  'silu': 'silu',
  'swish': 'silu',
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
# Default of these families in transformers.
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
  optional = {'num_kv_heads': heads, 'head_dim': given['hidden_size'] // heads}
  try:
    return DecoderConfig(
      **{**optional, **{_SIZES[key]: size for key, size in given.items()}},
      **rope_fields(config),
      activation=_ACTIVATIONS[config.get('hidden_act') or 'silu'],
      norm_eps=config.get('rms_norm_eps') or _NORM_EPS,
      tie_embeddings=bool(config.get('tie_word_embeddings')),
      **family.fields,
    )
  except ConfigError as error:
    raise InteropError(
      f'config.json describes a model that cannot be: {error}'
    ) from error


def _refusals(
  family: Family, config: Mapping[str, Any], context: int | None
) -> Iterator[str]:
  """Yields the features of a model that `DecoderConfig` does not support."""
  yield from rope_refusals(config)
  activation = config.get('hidden_act') or 'silu'
  if activation not in _ACTIVATIONS:
    yield f'activation {activation!r}'
  if config.get('attention_bias'):
    yield 'attention_bias, which also adds a bias to the output'
  if config.get('mlp_bias'):
    yield 'mlp_bias'
  if config.get('num_local_experts') or config.get('num_experts'):
    yield 'mixture of experts'
  if config.get('quantization_config'):
    method = config['quantization_config'].get('quant_method')
    yield f'weights quantized by {method!r}'
  switch = family.window_switch
  window = config.get('sliding_window')
  in_force = window is not None and (switch is None or config.get(switch))
  if in_force and (context is None or context > window):
    yield (
      f'attention window of {window} tokens, shorter than the context of '
      f'{context} (--context={window} imports it for sequences of at most '
      f'{window} tokens, which the window does not affect)'
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
  return {
    'architectures': [family.architecture],
    'model_type': family.name,
    **{theirs: getattr(config, ours) for theirs, ours in _SIZES.items()},
    'hidden_act': names[config.activation],
    'rms_norm_eps': config.norm_eps,
    **to_hf_rope(config),
    'max_position_embeddings': context,
    'tie_word_embeddings': config.tie_embeddings,
    'attention_bias': False,
    'mlp_bias': False,
    'sliding_window': None,
  }
