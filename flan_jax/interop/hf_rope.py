"""Converts between RoPE's settings in config.json and `DecoderConfig`."""

from collections.abc import Iterator, Mapping
import math
from typing import Any

from flan_jax.interop.model_source import InteropError
from flan_jax.model import DecoderConfig

# Default of the families in transformers.
_BASE = 10_000.0
PARTIAL = 'partial_rotary_factor'
_CONTEXT = 'original_max_position_embeddings'
# Kind of scaling -> its keys in config.json -> ours.
_KEYS: dict[str, dict[str, str]] = {
  'linear': {'factor': 'rope_factor'},
  'llama3': {
    'factor': 'rope_factor',
    'low_freq_factor': 'rope_slow',
    'high_freq_factor': 'rope_fast',
    _CONTEXT: 'rope_original_context',
  },
  'yarn': {
    'factor': 'rope_factor',
    'beta_slow': 'rope_slow',
    'beta_fast': 'rope_fast',
    'attention_factor': 'rope_magnitude',
    _CONTEXT: 'rope_original_context',
  },
}
# YaRN's betas where the file has none.
_BETAS = {'beta_slow': 1.0, 'beta_fast': 32.0}


def stated_rope(config: Mapping[str, Any]) -> dict[str, Any]:
  """Returns the settings of RoPE, in the newer or the older form."""
  keys = ('rope_theta', PARTIAL)
  outside = {k: config[k] for k in keys if config.get(k) is not None}
  stated = config.get('rope_parameters') or config.get('rope_scaling') or {}
  inside = {k: v for k, v in stated.items() if v is not None}
  return {**outside, **inside}


def with_flat_rope(config: Mapping[str, Any]) -> Mapping[str, Any]:
  """Returns a config.json that states both rotations as Gemma 3 first did."""
  stated = config.get('rope_parameters') or {}
  full, near = (stated.get(f'{name}_attention') for name in ('full', 'sliding'))
  if not (isinstance(full, dict) and isinstance(near, dict)):
    return config
  if _kind(near) != 'default':
    return config  # It is refused later.
  rest = {k: v for k, v in config.items() if k != 'rope_scaling'}
  local = near.get('rope_theta', config.get('rope_local_base_freq', _BASE))
  return {**rest, 'rope_parameters': full, 'rope_local_base_freq': local}


def _kind(rope: Mapping[str, Any]) -> str:
  return rope.get('rope_type', rope.get('type', 'default'))


def rope_refusals(config: Mapping[str, Any], partial: bool) -> Iterator[str]:
  """Yields what `DecoderConfig` does not support of a model's RoPE.

  Args:
    config: Contents of config.json.
    partial: Whether this family has `PARTIAL`.
  """
  rope = stated_rope(config)
  kind = _kind(rope)
  if kind != 'default' and kind not in _KEYS:
    yield f'rope scaling {kind!r}'
  if kind == 'yarn' and rope.get('truncate') is False:
    yield "rope scaling 'yarn' without truncate"
  if any(isinstance(value, dict) for value in rope.values()):
    yield 'rotations that differ between layers'
  if not partial and rope.get(PARTIAL, 1) != 1:
    yield f'partial_rotary_factor of {rope[PARTIAL]}'


def rope_fields(config: Mapping[str, Any], head_dim: int) -> dict[str, Any]:
  """Returns the fields of `DecoderConfig` that state a model's RoPE.

  Args:
    config: Contents of config.json, without `rope_refusals`.
    head_dim: Width of a head.

  Raises:
    InteropError: a setting is missing.
  """
  rope = stated_rope(config)
  kind = _kind(rope)
  fields: dict[str, Any] = {
    'position': 'rope',
    'rope_base': float(rope.get('rope_theta', _BASE)),
  }
  width = int(head_dim * rope.get(PARTIAL, 1))
  if width != head_dim:
    fields['rope_width'] = width
  if kind == 'default':
    return fields
  rope.setdefault(_CONTEXT, config.get('max_position_embeddings'))
  if kind == 'yarn':
    _add_yarn_defaults(rope)
  if missing := [key for key in _KEYS[kind] if rope.get(key) is None]:
    raise InteropError(
      f'config.json lacks {", ".join(missing)} of rope scaling {kind!r}'
    )
  found = {ours: rope[key] for key, ours in _KEYS[kind].items()}
  sizes = {name: float(value) for name, value in found.items()}
  if 'rope_original_context' in found:
    sizes['rope_original_context'] = found['rope_original_context']
  return {**fields, 'rope_scaling': kind, **sizes}


def _add_yarn_defaults(rope: dict[str, Any]) -> None:
  """Adds what a file may leave out, as transformers does."""
  for key, value in _BETAS.items():
    rope.setdefault(key, value)
  factor = rope.get('factor')
  if rope.get('attention_factor') is None and factor is not None:
    scales = rope.get('mscale'), rope.get('mscale_all_dim')
    above, below = scales if all(scales) else (1.0, 0.0)
    rope['attention_factor'] = _grown(factor, above) / _grown(factor, below)


def _grown(factor: float, scale: float) -> float:
  """Returns how much logits grow with the context; section 3.4 of YaRN."""
  return 0.1 * scale * math.log(factor) + 1.0 if factor > 1 else 1.0


def to_hf_rope(config: DecoderConfig, partial: bool) -> dict[str, Any]:
  """Returns the keys of config.json for the RoPE of a decoder.

  Takes the arguments of `rope_refusals`.
  """
  stated: dict[str, Any] = {'rope_theta': config.rope_base}
  if partial:
    width = config.rope_width or config.head_dim
    share = width / config.head_dim
    if int(config.head_dim * share) != width:  # It was rounded down.
      share = math.nextafter(share, 2)
    stated[PARTIAL] = share
  if config.rope_scaling != 'none':
    keys = _KEYS[config.rope_scaling]
    stated['rope_scaling'] = {
      'rope_type': config.rope_scaling,
      **{key: getattr(config, ours) for key, ours in keys.items()},
    }
  return stated
