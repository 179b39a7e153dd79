"""How a family of models is laid out in Hugging Face's files."""

from collections.abc import Iterator, Mapping
import dataclasses
from typing import Any

from flan_jax.model import DecoderConfig

# Our parameters and their dimensions, in the letters of the glossary. Those
# below `layers/` are stacked over the layers; that dimension is left out.
PARAM_AXES = {
  'embedding': 'V D',
  'unembedding': 'D V',
  'final_norm': 'D',
  'layers/attention_norm': 'D',
  'layers/query': 'D H*h',
  'layers/key': 'D K*h',
  'layers/value': 'D K*h',
  'layers/query_bias': 'H*h',
  'layers/key_bias': 'K*h',
  'layers/value_bias': 'K*h',
  'layers/query_norm': 'h',
  'layers/key_norm': 'h',
  'layers/output': 'H*h D',
  'layers/feed_forward_norm': 'D',
  'layers/gate': 'D F',
  'layers/up': 'D F',
  'layers/down': 'F D',
}


def axis_sizes(config: DecoderConfig) -> dict[str, int]:
  """Returns the size of each dimension in `PARAM_AXES`."""
  return {
    'V': config.vocab_size,
    'D': config.d_model,
    'F': config.d_ff,
    'H*h': config.num_heads * config.head_dim,
    'K*h': config.num_kv_heads * config.head_dim,
    'h': config.head_dim,
  }


@dataclasses.dataclass(frozen=True)
class Family:
  """A kind of model in Hugging Face's format.

  Attributes:
    name: The `model_type` in config.json.
    architecture: The class of `transformers` that computes it.
    tensors: Name of a tensor, with {layer} for the index of a layer -> our
      parameter and the tensor's dimensions. Tensors whose parameter a
      configuration does not have are not expected.
    fields: Fields of `DecoderConfig` that are the same in the whole family.
    window_switch: Key of config.json that switches `sliding_window` on; None
      if it is always on.
    buffers: Names of tensors that are not learned.
  """

  name: str
  architecture: str
  tensors: Mapping[str, tuple[str, str]]
  fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  window_switch: str | None = None
  buffers: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Mapped:
  """The tensor of one parameter, or of one layer of a stacked parameter.

  Attributes:
    param: Key of `PARAM_AXES`.
    layer: Index of the layer; None if the parameter is not stacked.
    source: Name of the tensor.
    shape: Shape of the tensor.
    transposed: Whether the tensor is transposed with respect to ours.
  """

  param: str
  layer: int | None
  source: str
  shape: tuple[int, ...]
  transposed: bool


def mapped_arrays(family: Family, config: DecoderConfig) -> Iterator[Mapped]:
  """Yields the tensors of a model, the layers of a parameter together."""
  sizes, absent = axis_sizes(config), _absent(config)
  for name, (param, axes) in family.tensors.items():
    if param in absent:
      continue
    stacked = param.startswith('layers/')
    for layer in range(config.num_layers) if stacked else (None,):
      yield Mapped(
        param=param,
        layer=layer,
        source=name.format(layer=layer),
        shape=tuple(sizes[axis] for axis in axes.split()),
        transposed=axes != PARAM_AXES[param],
      )


def _absent(config: DecoderConfig) -> set[str]:
  """Returns the parameters that a configuration does not have."""
  absent = set()
  if config.tie_embeddings:
    absent.add('unembedding')
  for present, ending in (
    (config.qkv_bias, '_bias'),
    (config.qk_norm, '_norm'),
  ):
    if not present:
      absent |= {f'layers/{name}{ending}' for name in ('query', 'key', 'value')}
  return absent
