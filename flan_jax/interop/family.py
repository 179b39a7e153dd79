"""How a family of models is laid out in Hugging Face's files."""

from collections.abc import Iterator, Mapping
import dataclasses
from typing import Any

from flax import traverse_util

from flan_jax.model import DecoderConfig, abstract_params


@dataclasses.dataclass(frozen=True)
class Family:
  """A kind of model in Hugging Face's format.

  Attributes:
    name: The `model_type` in config.json.
    architecture: The class of `transformers` that computes it.
    tensors: Name of a tensor, with {layer} for the index of a layer -> our
      parameter, such as 'layers/query'. Tensors whose parameter a configuration
      does not have are not expected.
    fields: Fields of `DecoderConfig` that are the same in the whole family.
    window_switch: Key of config.json that switches `sliding_window` on; None
      if it is always on.
    buffers: Names of tensors that are not learned.
  """

  name: str
  architecture: str
  tensors: Mapping[str, str]
  fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  window_switch: str | None = None
  buffers: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Mapped:
  """The tensor of one parameter, or of one layer of a stacked parameter.

  Attributes:
    param: Our parameter, such as 'layers/query'.
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
  params = traverse_util.flatten_dict(abstract_params(config), sep='/')
  for name, param in family.tensors.items():
    if param not in params:
      continue
    layers, shape = (None,), params[param].shape
    if param.startswith('layers/'):
      layers, shape = range(shape[0]), shape[1:]
    # Linear layers of PyTorch are stored as [output, input].
    transposed = len(shape) == 2 and param != 'embedding'
    shape = shape[::-1] if transposed else shape
    for layer in layers:
      yield Mapped(param, layer, name.format(layer=layer), shape, transposed)
