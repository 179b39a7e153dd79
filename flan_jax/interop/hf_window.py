"""Converts between attention windows in config.json and `DecoderConfig`."""

from collections.abc import Iterator, Mapping
from typing import Any

from flan_jax.interop.families import Family
from flan_jax.model import DecoderConfig

_NEAR, _FULL = 'sliding_attention', 'full_attention'
# Default of Qwen in transformers.
_FIRST_WINDOWED = 28


def window_refusals(
  family: Family, config: Mapping[str, Any], context: int | None
) -> Iterator[str]:
  """Yields which windows `DecoderConfig` does not support.

  Takes the arguments of `window_fields`.
  """
  if config.get('use_bidirectional_attention'):
    yield 'attention to later tokens (use_bidirectional_attention)'
  types, layers = config.get('layer_types'), config['num_hidden_layers']
  if types and len(types) != layers:
    yield f'layer_types of {len(types)} layers, where there are {layers}'
  if others := sorted(set(types or ()) - {_NEAR, _FULL}):
    yield f'layers of type {", ".join(map(repr, others))}'
  window = _window(family, config, context)
  if window is not None and _every(_windowed(family, config)) is None:
    yield (
      f'attention windows of {window} tokens in layers without a period '
      f'(--context={window} imports it for sequences of at most {window} '
      'tokens, which the windows do not affect)'
    )


def window_fields(
  family: Family, config: Mapping[str, Any], context: int | None
) -> dict[str, Any]:
  """Returns the fields of `DecoderConfig` that state a model's windows.

  Args:
    family: Family of the model.
    config: Contents of config.json, in Llama's terms.
    context: Longest sequence, in tokens, that the model will read.
  """
  window = _window(family, config, context)
  if window is None:
    return {}
  every = _every(_windowed(family, config))
  if every == 1:  # No layer has it.
    return {}
  return {'window': window, 'global_every': every or None}


def _window(
  family: Family, config: Mapping[str, Any], context: int | None
) -> int | None:
  """Returns the window if it has any effect."""
  switch = family.window_switch
  if switch is not None and not config.get(switch):
    return None
  window = config.get('sliding_window')
  # Rotations may differ in layers with a window, whatever its size.
  has_effect = context is None or window is None or context > window
  return window if has_effect or config.get('rope_local_base_freq') else None


def _windowed(family: Family, config: Mapping[str, Any]) -> list[bool]:
  """Returns whether each layer has the window."""
  types, layers = config.get('layer_types'), config['num_hidden_layers']
  if types:
    return [kind == _NEAR for kind in types]
  if family.window_switch is not None:
    first = config.get('max_window_layers', _FIRST_WINDOWED)
    return [layer >= first for layer in range(layers)]
  every = config.get('sliding_window_pattern') or family.global_every
  return [
    bool(every is None or layer % every) for layer in range(1, layers + 1)
  ]


def _every(windowed: list[bool]) -> int | None:
  """Returns the period of layers without a window; 0 if all have it.

  Returns None if they have no period.
  """
  if all(windowed):
    return 0
  every = windowed.index(False) + 1
  periodic = [layer % every != 0 for layer in range(1, len(windowed) + 1)]
  return every if windowed == periodic else None


def to_hf_window(
  family: Family, config: DecoderConfig, context: int
) -> dict[str, Any]:
  """Returns the keys of config.json for the windows of a decoder.

  Args:
    family: A family; what it cannot express is left out.
    config: Shape of the decoder.
    context: Context length in tokens, as a window without an effect.
  """
  if family.windows == 'none':
    return {}
  if family.windows == 'every_layer':
    return {'sliding_window': config.window}
  every = config.global_every or config.num_layers + 1
  types = [
    _NEAR if config.window is not None and layer % every else _FULL
    for layer in range(1, config.num_layers + 1)
  ]
  stated = {'sliding_window': config.window, 'layer_types': types}
  if family.window_switch is not None:
    return {**stated, family.window_switch: config.window is not None}
  # These have to state a window.
  return {**stated, 'sliding_window': config.window or context}
