"""Reads the tensors of a model directly onto a mesh."""

import dataclasses
import functools
import math
import re
from typing import Any

from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from flan_jax.interop.families import (
  FACTORS,
  Family,
  Mapped,
  mapped_arrays,
)
from flan_jax.interop.model_source import InteropError, Source
from flan_jax.model import DecoderConfig, param_shardings, rope
from flan_jax.sharding import MeshConfig, make_mesh
from flan_jax.terminal.bar import Bar

_IN_LAYER = re.compile(r'(?:model|gpt_neox)\.layers\.(\d+)\.')
# Problems that a message lists.
_LISTED = 5
# Rows of two tables compared at a time.
_ROWS = 8192


def import_mesh(config: DecoderConfig) -> jax.sharding.Mesh:
  """Returns an FSDP mesh of as many devices as divide the model's width."""
  devices = jax.local_devices()
  count = math.gcd(config.d_model, len(devices))
  return make_mesh(MeshConfig(data=1, fsdp=count, model=1), devices[:count])


def import_params(
  source: Source,
  family: Family,
  config: DecoderConfig,
  mesh: jax.sharding.Mesh,
  dtype: str = 'float32',
  bar: Bar | None = None,
) -> dict[str, Any]:
  """Reads all parameters, one tensor at a time.

  Besides the parameters, memory holds one device's shard of one tensor.

  Args:
    source: The model to read.
    family: Family of the model.
    config: Shape of the decoder.
    mesh: Mesh that the parameters are sharded over.
    dtype: Type of the parameters.
    bar: Shows how many tensors are read; None for none.

  Returns:
    The parameters, in the structure of `model.init_params`.

  Raises:
    InteropError: tensors are missing, unexpected or of another shape; lists
      them.
  """
  check_layers(source, config)
  arrays = list(mapped_arrays(family, config))
  _check_tensors(source, family, config, arrays)
  shardings = traverse_util.flatten_dict(param_shardings(config, mesh), sep='/')
  flat: dict[str, jax.Array] = {}
  bar = bar or Bar(enabled=False)
  bar.total = len(arrays)
  for array in arrays:
    bar.update()
    for part, name in enumerate(array.params):
      sharding = shardings[name]
      if array.layer is None:
        flat[name] = _read(source, array, part, sharding, dtype)
        continue
      per_layer = jax.sharding.NamedSharding(
        mesh, jax.sharding.PartitionSpec(*sharding.spec[1:])
      )
      layer = _read(source, array, part, per_layer, dtype)
      if array.layer == 0:
        shape = (config.num_layers, *layer.shape)
        flat[name] = jnp.zeros(shape, dtype, device=sharding)
      flat[name] = _put(flat[name], layer, array.layer)
  return traverse_util.unflatten_dict(flat, sep='/')


def _read(
  source: Source,
  array: Mapped,
  part: int,
  sharding: jax.sharding.Sharding,
  dtype: str,
) -> jax.Array:
  """Reads a parameter in our orientation, each device's shard separately."""
  parts = len(array.params)
  shape = (array.shape[0] // parts, *array.shape[1:])
  shape = shape[::-1] if array.transposed else shape

  def shard(index):
    index = index[::-1] if array.transposed else index
    if parts == 1:
      values = source.read(array.source, index)
    else:
      rows = _rows_of_part(array, part)[index[0]]
      first = rows[0]
      span = slice(int(first), int(rows[-1]) + 1)
      values = source.read(array.source, (span, *index[1:]))[rows - first]
    values = values.astype(dtype, copy=False)
    return values.T if array.transposed else values

  return jax.make_array_from_callback(shape, sharding, shard)


def _rows_of_part(array: Mapped, part: int) -> np.ndarray:
  """Returns the rows of a parameter in a tensor that holds several."""
  rows = np.arange(array.shape[0])
  heads = rows.reshape(-1, len(array.params), array.head_dim)
  return heads[:, part].reshape(-1)


@functools.partial(jax.jit, donate_argnums=0)
def _put(stack, layer, number):
  return jax.lax.dynamic_update_index_in_dim(stack, layer, number, 0)


def check_layers(source: Source, config: DecoderConfig) -> None:
  """Compares the stated number of layers with that of the tensors.

  Raises:
    InteropError: they differ.
  """
  found = {m[1] for name in source.shapes if (m := _IN_LAYER.match(name))}
  if len(found) != config.num_layers:
    raise InteropError(
      f'{source.path} states {config.num_layers} layers, but has tensors of '
      f'{len(found)}: correct num_hidden_layers, or get the missing files'
    )


def _check_tensors(
  source: Source, family: Family, config: DecoderConfig, arrays: list[Mapped]
) -> None:
  """Checks that each tensor is used exactly once and has the right shape."""
  problems = []
  left = dict(source.shapes)
  for array in arrays:
    shape = left.pop(array.source, None)
    if shape is None:
      problems.append(f'{array.source}: missing')
    elif shape != array.shape:
      problems.append(f'{array.source}: shape {shape}, expected {array.shape}')
  head = family.source_of('unembedding')
  if config.tie_embeddings and head in left:
    if _are_equal(source, head, family.source_of('embedding')):
      left.pop(head)
  layers = range(config.num_layers)
  buffers = {n.format(layer=layer) for n in family.buffers for layer in layers}
  for name in sorted(left.keys() & buffers):
    left.pop(name)
    if not _is_frequencies(source, name, config):
      problems.append(f'{name}: not the frequencies of its configuration')
  problems += [f'{name}: unexpected in {family.name}' for name in sorted(left)]
  if problems:
    listed = '; '.join(problems[:_LISTED])
    if more := len(problems) - _LISTED:
      listed += f'; and {more} more' if more > 0 else ''
    raise InteropError(
      f'the tensors of {source.path} do not fit its configuration: {listed}'
    )


def _are_equal(source: Source, one: str, other: str) -> bool:
  """Returns whether two tables hold the same values."""
  shape = source.shapes[one]
  if source.shapes.get(other) != shape:
    return False
  blocks = (
    (slice(start, min(start + _ROWS, shape[0])), slice(0, shape[1]))
    for start in range(0, shape[0], _ROWS)
  )
  return all(
    np.array_equal(source.read(one, block), source.read(other, block))
    for block in blocks
  )


def _is_frequencies(source: Source, name: str, config: DecoderConfig) -> bool:
  """Returns whether a saved buffer holds the frequencies that we compute."""
  expected = rope.frequencies(config)
  if name == FACTORS:
    plain = dataclasses.replace(config, rope_scaling='none', rope_factor=1.0)
    expected = rope.frequencies(plain) / expected
  if source.shapes[name] != expected.shape:
    return False
  stored = source.read(name, (slice(0, len(expected)),)).astype(np.float32)
  # Some are saved in bfloat16.
  return np.allclose(stored, expected, rtol=1e-2)
