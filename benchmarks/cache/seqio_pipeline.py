"""SeqIO's own pipeline, which Beam runs in one process."""

import pathlib
from typing import Any

import numpy as np
import seqio

from benchmarks.cache.texts import described, open_task
from benchmarks.common.side_process import serve
from benchmarks.data_pipeline import seqio_side


class SeqioSide:
  """Caches the training rows of a mixture under the same templates.

  Its task: what `open_task` takes, and `folder`, which is empty.
  """

  def __init__(self, task: dict[str, Any]):
    self._folder = pathlib.Path(task['folder']) / task['side']
    self._tasks = seqio_side.cached_tasks(
      open_task(task, self._folder), 'several'
    )
    self._rows = sum(t.num_input_examples('train') for t in self._tasks)

  def run(self, case: str) -> dict[str, Any]:
    """Makes the caches; returns the rows as its work."""
    del case
    seqio_side.write_caches(self._tasks, self._folder)
    return {'work': self._rows}

  def describe(self, case: str) -> dict[str, Any]:
    """Returns what is in the caches, see `described`."""
    del case
    seqio.set_global_cache_dirs([str(self._folder)])
    return described(
      np.concatenate([row['inputs'], row['targets']]).astype(np.int32).tobytes()
      for task in self._tasks
      for row in task.get_dataset(
        None, 'train', use_cached=True, shuffle=False
      ).as_numpy_iterator()
    )


if __name__ == '__main__':
  serve(SeqioSide)
