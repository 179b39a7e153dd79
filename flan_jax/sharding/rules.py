"""Maps the logical axes of arrays to the axes of the mesh, by one table."""

from collections.abc import Sequence
import math
from typing import Any

import jax
from jax.sharding import AbstractMesh, Mesh, NamedSharding, PartitionSpec

from flan_jax.errors import ConfigError

# Logical axis -> mesh axes that divide it.
RULES: dict[str, tuple[str, ...]] = {
  # Activations.
  'batch': ('data', 'fsdp'),
  'length': (),
  'residual': (),  # D of an activation
  'block': (),  # part of a device's share of the vocabulary
  # Parameters and activations.
  'mlp': ('model',),
  'heads': ('model',),  # query heads, H or H * h
  'kv': ('model',),  # key and value heads, K * h; may cut through heads
  # Whole key and value heads of a cache, K times `head_repeats`.
  'cached_heads': ('model',),
  'head': (),  # h
  'vocab': ('model',),
  # Parameters.
  'layers': (),
  'embed': ('fsdp',),  # D of a parameter
  'norm': (),
  'relative_buckets': (),
  'lora_rank': (),  # of adapters; small
  'prompt': (),  # vectors of a soft prompt; a few kilobytes
}

# The tokenizer fixes the size of the vocabulary, so a table (with its optimizer
# state) that the mesh does not divide stays whole. Any other axis raises an
# error, because whole copies would cost memory unnoticed.
MAY_STAY_WHOLE = frozenset({'vocab'})


def partition_spec(logical_axes: Sequence[str]) -> PartitionSpec:
  """Returns the mesh axes of each dimension, by the table."""
  return PartitionSpec(*(RULES[axis] for axis in logical_axes))


def named_sharding(
  mesh: Mesh,
  logical_axes: Sequence[str],
  shape: Sequence[int],
  name: str = 'array',
) -> NamedSharding:
  """Returns the sharding of one array; errors name it `name`.

  Raises:
    ConfigError: The mesh does not divide a dimension.
  """
  return NamedSharding(mesh, _fitted_spec(mesh, logical_axes, shape, name))


def _fitted_spec(mesh, logical_axes, shape, name):
  """Returns the mesh axes of each dimension, checked against its size."""
  if len(logical_axes) != len(shape):
    raise ValueError(
      f'{name} has shape {tuple(shape)} but axes {tuple(logical_axes)}.'
    )
  spec = []
  for number, (axis, size) in enumerate(zip(logical_axes, shape, strict=True)):
    mesh_axes = RULES[axis]
    shards = math.prod(mesh.shape[mesh_axis] for mesh_axis in mesh_axes)
    if size % shards == 0:
      spec.append(mesh_axes)
    elif axis in MAY_STAY_WHOLE:
      spec.append(None)
    else:
      wanted = ' * '.join(f'{a}={mesh.shape[a]}' for a in mesh_axes)
      raise ConfigError(
        f'Dimension {number} ({axis}) of {name} has size {size}, which is not '
        f'a multiple of the mesh axis {wanted}.'
      )
  return PartitionSpec(*spec)


def check_heads(num_heads: int, mesh: Mesh) -> None:
  """Checks that the mesh does not cut through query heads.

  Raises:
    ConfigError: It does.
  """
  if num_heads % mesh.shape['model']:
    raise ConfigError(
      f'num_heads={num_heads} is not a multiple of the mesh axis '
      f'model={mesh.shape["model"]}.'
    )


def head_repeats(kv_heads: int, mesh: Mesh | AbstractMesh) -> int:
  """Returns how often key heads repeat so that a mesh divides whole heads.

  A device then holds only those that its query heads read. If the mesh divides
  the query heads (`check_heads`), each repeated head serves as many of them.
  """
  if mesh.empty:
    return 1
  devices = mesh.shape['model']
  return devices // math.gcd(kv_heads, devices)


def tree_shardings(mesh: Mesh, logical_axes: Any, abstract: Any) -> Any:
  """Returns the sharding of each leaf of a nested dictionary.

  Args:
    mesh: A mesh with the axes `mesh.AXES`.
    logical_axes: As `abstract`, with tuples of logical axes as leaves.
    abstract: Arrays, or anything with a shape.

  Raises:
    ConfigError: The mesh does not divide a dimension; names the leaf.
  """

  def leaf_sharding(path, leaf, axes):
    name = jax.tree_util.keystr(path, simple=True, separator='/')
    return named_sharding(mesh, axes, leaf.shape, name)

  return jax.tree_util.tree_map_with_path(leaf_sharding, abstract, logical_axes)


def with_shardings(abstract: Any, shardings: Any) -> Any:
  """Returns `ShapeDtypeStruct`s with these shardings."""

  def with_sharding(leaf, sharding):
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)

  return jax.tree.map(with_sharding, abstract, shardings)


def place(arrays: Any, sharding: NamedSharding) -> Any:
  """Moves host arrays, which all processes hold in full, to the devices."""
  if jax.process_count() == 1:
    return jax.device_put(arrays, sharding)
  # `device_put` would make the processes compare their copies every time.
  return jax.tree.map(
    lambda array: jax.make_array_from_callback(
      array.shape, sharding, lambda index: array[index]
    ),
    arrays,
  )


def batch_sharding(mesh: Mesh) -> NamedSharding:
  """Returns the sharding of the arrays of a batch: rows over data and fsdp."""
  return NamedSharding(mesh, partition_spec(['batch']))


def replicated(mesh: Mesh) -> NamedSharding:
  """Returns the sharding of arrays that every device holds in full."""
  return NamedSharding(mesh, PartitionSpec())


def constrain(x: jax.Array, *logical_axes: str) -> jax.Array:
  """Pins the sharding of a value under the current mesh, if there is one.

  Otherwise the compiler may follow a parameter's sharding and move rows where
  it should move weights. Set the mesh with `jax.set_mesh` around the call of a
  jitted function.

  Raises:
    ConfigError: The mesh does not divide a dimension.
  """
  mesh = jax.sharding.get_abstract_mesh()
  if mesh.empty:
    return x
  spec = _fitted_spec(mesh, logical_axes, x.shape, 'an intermediate value')
  return jax.lax.with_sharding_constraint(x, spec)
