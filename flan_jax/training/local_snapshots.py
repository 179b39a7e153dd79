"""Frequent copies of the train state on the local disk of each host.

They outlive a process that dies, not a machine that does. Orbax's emergency
checkpointing is for several slices that hold the same parameters, and takes
over the durable checkpoints, whose record and digests it does not know. Here
each process writes the shards of its own devices, and the newest copy that all
processes have is read if it is newer than the durable checkpoints.
"""

from collections.abc import Callable, Mapping
from concurrent import futures
import json
import math
import os
import pathlib
import shutil
from typing import Any
import zlib

import jax
import numpy as np

from flan_jax.definitions.digests import digest
from flan_jax.runtime import processes
from flan_jax.runtime.watchdog import waiting_for
from flan_jax.training.checkpoint_errors import CheckpointDamagedError

_ARRAYS, _ABOUT = 'arrays.bin', 'about.json'
# A process killed while it writes one leaves the one before.
_KEPT = 2


class LocalSnapshots:
  """Writes and reads the copies of one process."""

  def __init__(self, folder: str | os.PathLike, run_id: str):
    """Opens the folder of a run.

    Args:
      folder: LOCAL_CHECKPOINT_DIR; runs and processes may share it.
      run_id: Names the run, so that no other one reads its copies.
    """
    place = f'{jax.process_index()}-of-{jax.process_count()}'
    self._folder = pathlib.Path(folder).expanduser() / run_id / place
    self._writer = futures.ThreadPoolExecutor(1, 'local-snapshots')
    self._writing: futures.Future[None] | None = None

  def save(
    self, step: int, state: Mapping[str, Any], record: Mapping[str, Any]
  ) -> None:
    """Copies the state to the host, and writes it in the background.

    The state may be donated as soon as this returns. Raises what the write
    before this one failed with.
    """
    self.wait()
    entries, arrays = [], []
    for name, leaf in _leaves(state).items():
      pieces = {_place(s.index, leaf.shape): s for s in leaf.addressable_shards}
      for place, shard in pieces.items():
        # A copy, since the buffer of a donated array is used again.
        arrays.append(np.array(shard.data))
        entries.append([name, place, arrays[-1].nbytes])
    about = {'entries': entries, 'record': dict(record)}
    self._writing = self._writer.submit(self._write, step, about, arrays)

  def _write(
    self, step: int, about: dict[str, Any], arrays: list[np.ndarray]
  ) -> None:
    temporary = self._folder / f'{step}.writing'
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    checksum = 0
    with (temporary / _ARRAYS).open('wb') as file:
      for array in arrays:
        data = array.reshape(-1).view(np.uint8)
        checksum = zlib.crc32(data, checksum)
        file.write(data)
    about['checksum'] = checksum
    text = json.dumps([about, digest(about)])
    (temporary / _ABOUT).write_text(text, encoding='utf-8')
    final = self._folder / str(step)
    shutil.rmtree(final, ignore_errors=True)
    temporary.rename(final)
    for old in self.steps()[:-_KEPT]:
      shutil.rmtree(self._folder / str(old))

  def wait(self) -> None:
    """Waits for the copy being written, and raises its error."""
    writing, self._writing = self._writing, None
    if writing is not None:
      with waiting_for('a copy on the local disk'):
        writing.result()

  def close(self) -> None:
    """Waits as `wait` does, and ends the thread."""
    try:
      self.wait()
    finally:
      self._writer.shutdown()

  def steps(self) -> list[int]:
    """Returns the steps of this process's copies, oldest first."""
    found = self._folder.iterdir() if self._folder.exists() else ()
    return sorted(int(path.name) for path in found if path.name.isdecimal())

  def restore_newer(
    self,
    abstract_state: Mapping[str, Any],
    step: int,
    check: Callable[[Mapping[str, Any], Any], None],
  ) -> tuple[dict[str, Any], dict[str, Any], int] | None:
    """Reads the newest copy that every process has intact; all call it.

    Args:
      abstract_state: From `step.abstract_state`. Copies of another mesh are
        not read.
      step: Only a copy of a later step is read.
      check: As in `Checkpointer.restore_latest`.

    Returns:
      State, record and step; None if there is none.
    """
    every = [set(steps) for steps in processes.gather(self.steps())]
    for found in sorted(set.intersection(*every), reverse=True):
      if found <= step:
        break
      restored = self._read(self._folder / str(found), abstract_state)
      if all(processes.gather(restored is not None)):
        state, record = restored
        check(record, self._folder / str(found))
        return state, record, found
    return None

  def _read(
    self, path: pathlib.Path, abstract_state: Mapping[str, Any]
  ) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Returns state and record; None if they are damaged or do not fit."""
    try:
      about, whole = json.loads((path / _ABOUT).read_text(encoding='utf-8'))
      data = np.fromfile(path / _ARRAYS, np.uint8)
      if digest(about) != whole or zlib.crc32(data) != about['checksum']:
        raise CheckpointDamagedError(f'{path} is not as it was written')
      pieces, start = {}, 0
      for name, place, size in about['entries']:
        pieces[name, place] = data[start : start + size]
        start += size
      leaves = [
        _restored(name, leaf, pieces)
        for name, leaf in _leaves(abstract_state).items()
      ]
    except (OSError, ValueError, TypeError, KeyError, CheckpointDamagedError):
      return None  # The durable checkpoint is read instead.
    structure = jax.tree.structure(abstract_state)
    return jax.tree.unflatten(structure, leaves), about['record']


def _leaves(tree: Any) -> dict[str, Any]:
  return {
    jax.tree_util.keystr(path): leaf
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
  }


def _place(index: tuple[slice, ...], shape: tuple[int, ...]) -> str:
  """Returns where a shard is in its array, as text."""
  bounds = (part.indices(size) for part, size in zip(index, shape, strict=True))
  return ','.join(f'{start}:{stop}' for start, stop, _ in bounds)


def _restored(
  name: str, leaf: Any, pieces: Mapping[tuple[str, str], np.ndarray]
) -> jax.Array:
  """Returns an array from the pieces that this process's devices hold."""

  def piece(index: tuple[slice, ...]) -> np.ndarray:
    data = pieces[name, _place(index, leaf.shape)].view(leaf.dtype)
    bounds = (p.indices(n) for p, n in zip(index, leaf.shape, strict=True))
    shape = tuple(stop - start for start, stop, _ in bounds)
    if data.size != math.prod(shape):
      raise ValueError(f'{name} has another type')
    return data.reshape(shape)

  return jax.make_array_from_callback(leaf.shape, leaf.sharding, piece)
