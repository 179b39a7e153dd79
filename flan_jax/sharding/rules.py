"""The one table from the logical axes of arrays to the axes of the mesh."""

from collections.abc import Sequence
import math
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

# Logical axis -> mesh axes that divide it together.
RULES: dict[str, tuple[str, ...]] = {
  # Activations.
  'batch': ('data', 'fsdp'),
  'length': (),
  'residual': (),  # the model's width in an activation
  'block': (),  # of a device's share of the vocabulary
  # Parameters and activations.
  'mlp': ('model',),
  'heads': ('model',),  # query heads, H or H * h
  'kv': ('model',),  # key and value heads, K * h; may divide within a head
  'vocab': ('model',),
  # Parameters.
  'layers': (),
  'embed': ('fsdp',),  # the model's width in a parameter
  'norm': (),
  'relative_buckets': (),
}

# The size of a vocabulary is the tokenizer's and nobody's to choose, so a table
# that the mesh does not divide is left whole along it, as is its share of the
# optimizer state. All else is an error: silently it would cost memory.
MAY_STAY_WHOLE = frozenset({'vocab'})


def partition_spec(logical_axes: Sequence[str]) -> PartitionSpec:
  """The mesh axes of each dimension, by the table."""
  return PartitionSpec(*(_entry(RULES[axis]) for axis in logical_axes))


def _entry(mesh_axes):
  """How a PartitionSpec writes none, one or several mesh axes."""
  if len(mesh_axes) > 1:
    return mesh_axes
  return mesh_axes[0] if mesh_axes else None


def named_sharding(
  mesh: Mesh,
  logical_axes: Sequence[str],
  shape: Sequence[int],
  name: str = 'array',
) -> NamedSharding:
  """The sharding of one array.

  Args:
    mesh: With the axes of `mesh.AXES`.
    logical_axes: One for each dimension, a key of `RULES`.
    shape: Size of each dimension.
    name: What errors call the array.

  Raises:
    ValueError: A mesh axis does not divide a dimension.
  """
  return NamedSharding(mesh, _fitted_spec(mesh, logical_axes, shape, name))


def _fitted_spec(mesh, logical_axes, shape, name):
  """The mesh axes of each dimension, checked against its size."""
  if len(logical_axes) != len(shape):
    raise ValueError(
      f'{name} has shape {tuple(shape)} but axes {tuple(logical_axes)}.'
    )
  spec = []
  for number, (axis, size) in enumerate(zip(logical_axes, shape, strict=True)):
    mesh_axes = RULES[axis]
    shards = math.prod(mesh.shape[mesh_axis] for mesh_axis in mesh_axes)
    if size % shards == 0:
      spec.append(_entry(mesh_axes))
    elif axis in MAY_STAY_WHOLE:
      spec.append(None)
    else:
      wanted = ' * '.join(f'{a}={mesh.shape[a]}' for a in mesh_axes)
      raise ValueError(
        f'Dimension {number} ({axis}) of {name} has size {size}, which is not '
        f'a multiple of the mesh axis {wanted}.'
      )
  return PartitionSpec(*spec)


def check_heads(num_heads: int, mesh: Mesh) -> None:
  """Raises ValueError if the mesh would cut through query heads."""
  if num_heads % mesh.shape['model']:
    raise ValueError(
      f'num_heads={num_heads} is not a multiple of the mesh axis '
      f'model={mesh.shape["model"]}.'
    )


def tree_shardings(mesh: Mesh, logical_axes: Any, abstract: Any) -> Any:
  """The sharding of each leaf of a nested dictionary.

  Args:
    mesh: With the axes of `mesh.AXES`.
    logical_axes: As `abstract`, with tuples of logical axes as leaves.
    abstract: Arrays, or anything with a shape.

  Raises:
    ValueError: A mesh axis does not divide a dimension; names the leaf.
  """

  def leaf_sharding(path, leaf, axes):
    name = jax.tree_util.keystr(path, simple=True, separator='/')
    return named_sharding(mesh, axes, leaf.shape, name)

  return jax.tree_util.tree_map_with_path(leaf_sharding, abstract, logical_axes)


def with_shardings(abstract: Any, shardings: Any) -> Any:
  """`ShapeDtypeStruct`s of the same shapes and types with these shardings."""
  return jax.tree.map(
    lambda leaf, sharding: jax.ShapeDtypeStruct(
      leaf.shape, leaf.dtype, sharding=sharding
    ),
    abstract,
    shardings,
  )


def shard_tree(mesh: Mesh, logical_axes: Any, arrays: Any) -> Any:
  """Moves arrays to where `tree_shardings` says that they belong."""
  return jax.device_put(arrays, tree_shardings(mesh, logical_axes, arrays))


def place(arrays: Any, sharding: NamedSharding) -> Any:
  """Moves host arrays, which all processes hold whole, to the devices."""
  if jax.process_count() == 1:
    return jax.device_put(arrays, sharding)
  # `device_put` would have the processes compare their copies every time.
  return jax.tree.map(
    lambda array: jax.make_array_from_callback(
      array.shape, sharding, lambda index: array[index]
    ),
    arrays,
  )


def batch_sharding(mesh: Mesh) -> NamedSharding:
  """The sharding of every array of a batch: rows over data and fsdp."""
  return NamedSharding(mesh, partition_spec(['batch']))


def replicated(mesh: Mesh) -> NamedSharding:
  """The sharding of what every device holds whole."""
  return NamedSharding(mesh, PartitionSpec())


def constrain(x: jax.Array, *logical_axes: str) -> jax.Array:
  """Pins the layout of a value under the current mesh, if there is one.

  Without it the compiler may follow a parameter's layout, and move rows where
  it should move weights. Without a mesh nothing happens; set one by
  `jax.set_mesh` around the call of a jitted function.

  Raises:
    ValueError: A mesh axis does not divide a dimension.
  """
  mesh = jax.sharding.get_abstract_mesh()
  if mesh.empty:
    return x
  spec = _fitted_spec(mesh, logical_axes, x.shape, 'an intermediate value')
  return jax.lax.with_sharding_constraint(x, spec)
