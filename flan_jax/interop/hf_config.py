"""Converts between config.json and `DecoderConfig`."""

from collections.abc import Iterator, Mapping
from typing import Any

from flan_jax.interop.family import Family
from flan_jax.interop.model_source import InteropError
from flan_jax.model import DecoderConfig

# Hugging Face's activations -> ours. Its 'gelu' is exact, ours approximate.
_ACTIVATIONS = {
  'silu': 'silu',
  'swish': 'silu',
  'gelu_pytorch_tanh': 'gelu',
  'gelu_new': 'gelu',
}
_REQUIRED = (
  'vocab_size',
  'hidden_size',
  'intermediate_size',
  'num_hidden_layers',
  'num_attention_heads',
)
# Defaults of these families in transformers.
_ROPE_BASE, _NORM_EPS = 10_000.0, 1e-6


def context_length(config: Mapping[str, Any]) -> int | None:
  """Returns the context length in tokens; None if config.json has none."""
  return config.get('max_position_embeddings')


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
  missing = [key for key in _REQUIRED if config.get(key) is None]
  if missing:
    raise InteropError(f'config.json lacks {", ".join(missing)}')
  refused = list(_refusals(family, config, context or context_length(config)))
  if refused:
    raise InteropError(
      f'this {family.name} model uses features that are not supported: '
      f'{"; ".join(refused)}'
    )
  heads, width = config['num_attention_heads'], config['hidden_size']
  return DecoderConfig(
    vocab_size=config['vocab_size'],
    num_layers=config['num_hidden_layers'],
    d_model=width,
    d_ff=config['intermediate_size'],
    num_heads=heads,
    num_kv_heads=config.get('num_key_value_heads') or heads,
    head_dim=config.get('head_dim') or width // heads,
    position='rope',
    rope_base=float(_rope(config).get('rope_theta', _ROPE_BASE)),
    activation=_ACTIVATIONS[config.get('hidden_act', 'silu')],
    norm_eps=config.get('rms_norm_eps', _NORM_EPS),
    tie_embeddings=bool(config.get('tie_word_embeddings')),
    **family.fields,
  )


def _rope(config: Mapping[str, Any]) -> dict[str, Any]:
  """Returns the settings of RoPE, in the newer or the older form."""
  keys = ('rope_theta', 'partial_rotary_factor')
  outside = {k: config[k] for k in keys if config.get(k) is not None}
  inside = config.get('rope_parameters') or config.get('rope_scaling') or {}
  return {**outside, **inside}


def _refusals(
  family: Family, config: Mapping[str, Any], context: int | None
) -> Iterator[str]:
  """Yields the features of a model that `DecoderConfig` does not support."""
  rope = _rope(config)
  kind = rope.get('rope_type', rope.get('type', 'default'))
  if kind != 'default':
    yield f'rope scaling {kind!r}'
  if any(isinstance(value, dict) for value in rope.values()):
    yield 'rotations that differ between layers'
  if rope.get('partial_rotary_factor', 1) != 1:
    yield f'partial_rotary_factor of {rope["partial_rotary_factor"]}'
  activation = config.get('hidden_act', 'silu')
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
    'vocab_size': config.vocab_size,
    'hidden_size': config.d_model,
    'intermediate_size': config.d_ff,
    'num_hidden_layers': config.num_layers,
    'num_attention_heads': config.num_heads,
    'num_key_value_heads': config.num_kv_heads,
    'head_dim': config.head_dim,
    'hidden_act': names[config.activation],
    'rms_norm_eps': config.norm_eps,
    'rope_theta': config.rope_base,
    'max_position_embeddings': context,
    'tie_word_embeddings': config.tie_embeddings,
    'attention_bias': False,
    'mlp_bias': False,
    'sliding_window': None,
  }
