"""Writes parameters as a Hugging Face folder."""

from collections.abc import Iterator, Mapping
import json
import pathlib
from typing import Any

# Registers bfloat16 with NumPy, by whose name it is asked for.
import ml_dtypes  # noqa: F401
import numpy as np

from flan_jax.interop.family import Family, mapped_arrays
from flan_jax.interop.safetensors_folder import INDEX
from flan_jax.model import DecoderConfig

# Bytes of a file, which are in memory at once; one larger tensor has its own.
SHARD_BYTES = 2 * 10**9


def write_weights(
  folder: pathlib.Path,
  family: Family,
  config: DecoderConfig,
  params: Mapping[str, Any],
  dtype: str,
  shard_bytes: int = SHARD_BYTES,
) -> None:
  """Writes *.safetensors, and their index where there are several.

  Args:
    folder: Where.
    family: How tensors are named and turned.
    config: Shape of the decoder.
    params: Its parameters.
    dtype: Type that is written.
    shard_bytes: Most bytes of a file.
  """
  from safetensors import numpy as safetensors_numpy

  plan = _shards(family, config, np.dtype(dtype).itemsize, shard_bytes)
  weight_map: dict[str, str] = {}
  for number, names in enumerate(plan, start=1):
    file = 'model.safetensors'
    if len(plan) > 1:
      file = f'model-{number:05d}-of-{len(plan):05d}.safetensors'
    tensors = dict(_tensors(family, config, params, dtype, names))
    # transformers asks by whom the tensors were written.
    safetensors_numpy.save_file(tensors, folder / file, {'format': 'pt'})
    weight_map |= dict.fromkeys(tensors, file)
  if len(plan) > 1:
    size = config.param_count() * np.dtype(dtype).itemsize
    index = {'metadata': {'total_size': size}, 'weight_map': weight_map}
    write_json(folder / INDEX, index)


def _shards(
  family: Family, config: DecoderConfig, item_bytes: int, most: int
) -> list[set[str]]:
  """The names of the tensors of each file."""
  shards: list[set[str]] = []
  left = 0
  for array in mapped_arrays(family, config):
    size = int(np.prod(array.shape)) * item_bytes
    if size > left or not shards:
      shards.append(set())
      left = most
    shards[-1].add(array.source)
    left -= size
  return shards


def _tensors(
  family: Family,
  config: DecoderConfig,
  params: Mapping[str, Any],
  dtype: str,
  names: set[str],
) -> Iterator[tuple[str, np.ndarray]]:
  """Yields some tensors in Hugging Face's orientation."""
  for array in mapped_arrays(family, config):
    if array.source not in names:
      continue
    outer, _, inner = array.param.partition('/')
    values = params[outer][inner][array.layer] if inner else params[outer]
    values = np.asarray(values).astype(dtype, copy=False)
    # safetensors writes memory as it lies.
    yield (
      array.source,
      np.ascontiguousarray(values.T if array.transposed else values),
    )


def write_json(path: pathlib.Path, content: Mapping[str, Any]) -> None:
  """Writes one of the small files of a Hugging Face folder."""
  text = json.dumps(content, indent=2, ensure_ascii=False)
  path.write_text(text + '\n', encoding='utf-8')
