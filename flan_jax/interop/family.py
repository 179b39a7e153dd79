"""Families of models: how each is laid out in Hugging Face's files."""

from collections.abc import Iterator, Mapping
import dataclasses
from typing import Any

from flan_jax.interop.model_source import InteropError
from flan_jax.model import DecoderConfig

# Our parameters and what each dimension is, in the letters of the glossary.
# Below `layers/` they are stacked over the layers, which is left out.
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
  """Size of each dimension named in `PARAM_AXES`."""
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
  """Models of one kind in Hugging Face's form.

  Attributes:
    name: Its `model_type` in config.json.
    architecture: The class of `transformers` that computes it.
    tensors: Our parameter and the dimensions of the source, by the source's
      name, in which {layer} stands for the number of a layer. Those of which
      the configuration has no parameter are not expected.
    fields: Fields of `DecoderConfig` that are the same in the whole family.
    window_switch: Key of config.json that says whether `sliding_window` is in
      force; None where it always is.
    buffers: Names of tensors that hold nothing learned.
  """

  name: str
  architecture: str
  tensors: Mapping[str, tuple[str, str]]
  fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  window_switch: str | None = None
  buffers: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Mapped:
  """Where one of our arrays, of one layer if it is stacked, comes from.

  Attributes:
    param: Key of `PARAM_AXES`.
    layer: Number of the layer, None for what is not stacked.
    source: Name of the tensor.
    shape: The shape that it must have.
    transposed: Whether its dimensions are the other way round than ours.
  """

  param: str
  layer: int | None
  source: str
  shape: tuple[int, ...]
  transposed: bool


def mapped_arrays(family: Family, config: DecoderConfig) -> Iterator[Mapped]:
  """Yields where each array of a model is, the layers of one together."""
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
  """The parameters that a configuration does not have."""
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


def find_family(
  families: Mapping[str, Family], config: Mapping[str, Any]
) -> Family:
  """Returns the family of a config.json.

  Raises:
    InteropError: it is none that we know.
  """
  name = config.get('model_type')
  if name in families:
    return families[name]
  experts = ('num_local_experts', 'num_experts', 'n_routed_experts')
  mixture = any(config.get(key) for key in experts)
  raise InteropError(
    f'models of the type {name!r}'
    + (' (mixture of experts)' if mixture else '')
    + f' cannot be imported; known are {", ".join(families)}'
  )
