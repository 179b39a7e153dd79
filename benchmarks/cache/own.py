"""The cache of this project, made by one process."""

import pathlib
from typing import Any

import numpy as np

from benchmarks.cache.texts import described, open_task
from benchmarks.common.side_process import serve
from benchmarks.data_pipeline import own


class OwnSide:
  """Makes the cache of the training rows of a mixture.

  Its task: what `open_task` takes, and `folder`, which is empty.
  """

  def __init__(self, task: dict[str, Any]):
    folder = pathlib.Path(task['folder']) / task['side']
    self._side = own.OwnSide(open_task(task, folder))

  def run(self, case: str) -> dict[str, Any]:
    """Makes the cache; returns the rows as its work."""
    del case
    rows, _ = self._side.make_cache()
    return {'work': rows}

  def describe(self, case: str) -> dict[str, Any]:
    """Returns what is in the cache, see `described`."""
    del case
    return described(
      np.concatenate(spans).tobytes() for spans in self._side.every_rendering()
    )


if __name__ == '__main__':
  serve(OwnSide)
