"""The items of one checkpoint: found, checked and read.

All processes of a run read together. Each first reads its own part; then they
agree on the outcome, and none is left in a computation that another never
enters.
"""

from collections.abc import Callable, Mapping
import contextlib
import logging
import os
from typing import Any, NamedTuple

from etils import epath
import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp

from flan_jax.errors import UserError
from flan_jax.runtime import processes
from flan_jax.runtime.paths import is_local, user_path
from flan_jax.training import checkpoint_record as record_lib
from flan_jax.training.checkpoint_errors import (
  CheckpointDamagedError,
  CheckpointError,
  CheckpointMismatchError,
)

CHECKPOINTS = 'checkpoints'
# What is shown of the error of a library, which may have many lines.
_SHOWN = 160


def absolute(path: str | os.PathLike) -> epath.Path:
  """Returns a path that Orbax accepts."""
  path = user_path(path)
  # epath takes a bucket for a folder in the working directory.
  return path.absolute() if is_local(path) else path


def complete_steps(folder: epath.Path) -> list[int]:
  """Returns the steps of the complete checkpoints in a folder, oldest first."""
  if not folder.is_dir():  # Also where a file is in its place.
    return []
  return sorted(
    step_of(path)
    for path in folder.iterdir()
    if step_of(path) is not None and ocp.utils.is_checkpoint_finalized(path)
  )


def step_of(path: epath.Path) -> int | None:
  """Returns the step that a folder is named by; None for another name.

  >>> [step_of(epath.Path(name)) for name in ('checkpoints/12', '²', '012')]
  [12, None, None]
  """
  name = path.name
  plain = name.isascii() and name.isdecimal()
  return int(name) if plain and str(int(name)) == name else None


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


def read_items(
  checkpoint: epath.Path,
  wanted: Mapping[str, Any],
  check: Callable[[Mapping[str, Any]], None] | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
  """Reads items on all processes, or raises an error on all of them.

  Args:
    checkpoint: The folder.
    wanted: Shapes, types (cast to) and shardings by item: `params`, `training`…
    check: Raises a UserError if the record does not fit.

  Returns:
    The items, and the record; {} if there is none.

  Raises:
    CheckpointDamagedError: They cannot be read, or are not as written.
    UserError: Names or shapes differ, or the record does not fit.
  """
  contents, items, error = {}, {}, None
  try:
    contents = record_lib.read_contents(checkpoint)
    if check is not None:
      check(contents.get('record', {}))
    for name, abstract in wanted.items():
      items[name] = _read_arrays(checkpoint, name, abstract, contents)
  except UserError as found:
    error = found
  # A broken file surfaces as whatever the layer that reads it raises.
  except Exception as found:
    error = CheckpointDamagedError(
      f'{checkpoint} cannot be read: {_first_line(found)}'
    )
    error.__cause__ = found
  _agree(error)
  # Sums over all processes, so that all must have come here.
  digests = {name: params_digest(items[name].arrays) for name in wanted}
  differing = [
    name
    for name, item in items.items()
    if item.as_stored and digests[name] != contents['digests'][name]
  ]
  error = None
  if differing:
    error = CheckpointDamagedError(
      f'{checkpoint / differing[0]} is not as it was written'
    )
  _agree(error)
  arrays = {name: item.arrays for name, item in items.items()}
  return arrays, contents.get('record', {})


def is_readable(checkpoint: epath.Path) -> bool:
  """Returns whether a checkpoint's record and lists of arrays are as written.

  It is quick, because it reads no array.
  """
  try:
    contents = record_lib.read_contents(checkpoint)
    for item in contents['digests']:
      _read_tree(checkpoint / item, contents)
  # As in `read_items`.
  except Exception as error:
    logging.warning(
      'Checkpoint %s cannot be read, older ones are kept: %s',
      checkpoint,
      _first_line(error),
    )
    return False
  return True


class _Item(NamedTuple):
  """Arrays, and whether they have the types in which they are stored."""

  arrays: Any
  as_stored: bool


def _read_arrays(checkpoint, item, abstract, contents) -> _Item:
  """Reads what this process needs of an item whose names and shapes fit."""
  folder = checkpoint / item
  stored = _read_tree(folder, contents)
  _check_shapes(checkpoint, stored, abstract)
  with contextlib.closing(ocp.StandardCheckpointHandler()) as handler:
    arrays = handler.restore(folder, args=ocp.args.StandardRestore(abstract))
  return _Item(arrays, bool(contents) and _types(stored) == _types(abstract))


def _read_tree(folder, contents):
  """Returns shapes and types of the arrays of an item, in its structure."""
  with contextlib.closing(ocp.StandardCheckpointHandler()) as handler:
    stored = handler.metadata(folder).tree
  written = contents.get('trees', {}).get(folder.name)
  if written not in (None, record_lib.tree_digest(stored)):
    raise CheckpointDamagedError(
      f'the metadata of {folder} is not as it was written'
    )
  return stored


def _agree(error: UserError | None) -> None:
  """Raises an error on all processes if there is one on any of them.

  A damaged checkpoint counts before one that does not fit, which may be damaged
  as well. A process without an error has that of another.
  """
  mine = None
  if error is not None:
    mine = [isinstance(error, CheckpointDamagedError), str(error)]
  found = processes.gather(mine)
  damaged = [
    (index, outcome[1])
    for index, outcome in enumerate(found)
    if outcome is not None and outcome[0]
  ]
  if damaged:
    if isinstance(error, CheckpointDamagedError):
      raise error
    index, text = damaged[0]
    raise CheckpointDamagedError(f'{text} (on process {index})')
  if error is not None:
    raise error
  for index, outcome in enumerate(found):
    if outcome is not None:
      raise CheckpointError(f'{outcome[1]} (on process {index})')


def _first_line(error: Exception) -> str:
  line = str(error).strip().partition('\n')[0]
  return line if len(line) <= _SHOWN else f'{line[:_SHOWN]}…'


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
