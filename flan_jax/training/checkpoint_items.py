"""The items of one checkpoint: found, checked and read.

Its `record` is JSON: a digest of each item, and what the saver recorded.
"""

import contextlib
import os
from typing import Any

from etils import epath
import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp

from flan_jax.errors import UserError
from flan_jax.runtime.paths import user_path

CHECKPOINTS = 'checkpoints'


class CheckpointError(UserError):
  """A checkpoint that is missing, or exists and must not be overwritten."""


class CheckpointMismatchError(CheckpointError):
  """A checkpoint of another shape; lists all names that do not fit."""


class CheckpointDamagedError(CheckpointError):
  """A checkpoint that cannot be read, or is not as it was written."""


def absolute(path: str | os.PathLike) -> epath.Path:
  """Returns a path that Orbax accepts."""
  return user_path(path).absolute()


def complete_steps(folder: epath.Path) -> list[int]:
  """Returns the steps of the complete checkpoints in a folder, oldest first."""
  if not folder.exists():
    return []
  return sorted(
    int(path.name)
    for path in folder.iterdir()
    if path.name.isdigit() and ocp.utils.is_checkpoint_finalized(path)
  )


def find(path: str | os.PathLike) -> epath.Path:
  """Returns the checkpoint that a path names: itself, or the newest in it.

  Raises:
    CheckpointError: There is none.
  """
  path = absolute(path)
  for folder in (path / CHECKPOINTS, path):
    steps = complete_steps(folder)
    if steps:
      return folder / str(steps[-1])
  # Last, because a run may have started in a folder of imported parameters.
  if (path / 'params').exists():
    return path
  raise CheckpointError(
    f'there is no checkpoint in {path}: pass a checkpoint or a MODEL_DIR'
  )


def read_record(checkpoint: epath.Path) -> dict[str, Any]:
  """Returns the contents of `record`: `digests` and `record`."""
  with contextlib.closing(ocp.JsonCheckpointHandler()) as handler:
    return handler.restore(checkpoint / 'record', args=ocp.args.JsonRestore())


def read_item(checkpoint: epath.Path, item: str, abstract: Any) -> Any:
  """Reads one item, after checking that its names and shapes fit.

  Args:
    checkpoint: The folder.
    item: `params` or `training`.
    abstract: Shapes, types (cast to) and shardings.

  Raises:
    CheckpointMismatchError: Names or shapes differ.
    CheckpointDamagedError: The digest differs.
    Exception: Whatever a broken file makes Orbax raise.
  """
  folder = checkpoint / item
  with contextlib.closing(ocp.StandardCheckpointHandler()) as handler:
    stored = handler.metadata(folder).tree
    _check_shapes(checkpoint, stored, abstract)
    restored = handler.restore(folder, args=ocp.args.StandardRestore(abstract))
  if _types(stored) == _types(abstract) and (checkpoint / 'record').exists():
    written = read_record(checkpoint)['digests'][item]
    if params_digest(restored) != written:
      raise CheckpointDamagedError(f'{folder} is not as it was written')
  return restored


def params_digest(tree: Any) -> int:
  """Returns a number that changes if a bit of any array does.

  Sums of integers do not depend on how the arrays are sharded.
  """
  return int(_digest(tree))


@jax.jit
def _digest(tree):
  total = jnp.uint32(0)
  for leaf in jax.tree.leaves(tree):
    # An odd factor, so that swapped arrays are noticed too.
    total = total * 31 + _sum_of_bits(leaf)
  return total


def _sum_of_bits(array):
  if array.ndim > 2:
    # Layer by layer: on a CPU the bits would be a copy of the whole stack.
    def add(total, part):
      return total + _sum_of_bits(part), None

    return jax.lax.scan(add, jnp.uint32(0), array)[0]
  unsigned = f'uint{8 * array.dtype.itemsize}'
  bits = jax.lax.bitcast_convert_type(array, unsigned)
  return jnp.sum(bits.astype(jnp.uint32), dtype=jnp.uint32)


def _types(tree):
  return [jnp.dtype(leaf.dtype) for leaf in jax.tree.leaves(tree)]


def _check_shapes(checkpoint, stored, wanted):
  stored, wanted = _shapes(stored), _shapes(wanted)
  problems = [
    f'{name}: {stored.get(name, "missing")} in the checkpoint, '
    f'{wanted.get(name, "nothing")} wanted'
    for name in sorted(stored.keys() | wanted.keys())
    if stored.get(name) != wanted.get(name)
  ]
  if problems:
    listed = '\n  '.join(problems)
    raise CheckpointMismatchError(
      f'{checkpoint} does not fit the model:\n  {listed}'
    )


def _shapes(tree):
  return {
    jax.tree_util.keystr(path, simple=True, separator='/'): tuple(leaf.shape)
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
  }
