"""Single rows of a cached split, read from disk when they are asked for."""

import array
import bisect
import json
import pathlib
from typing import Any

from flan_jax.cache.cached_split import ROWS, CachedSplit


class RowLines:
  """The objects of rows.jsonl by number; only their places are in memory."""

  def __init__(self, split: CachedSplit):
    """Reads the files once, to find where each line starts."""
    self._files = [
      split.path / shard['name'] / ROWS for shard in split.manifest['shards']
    ]
    self._starts = [_line_starts(file) for file in self._files]
    self._first_row = [0]  # Of each shard, and one past the last.
    for starts in self._starts:
      self._first_row.append(self._first_row[-1] + len(starts) - 1)

  def __getitem__(self, row: int) -> dict[str, Any]:
    shard = bisect.bisect_right(self._first_row, row) - 1
    place = row - self._first_row[shard]
    start, stop = self._starts[shard][place : place + 2]
    # A large split has more shards than a process may have open files.
    with self._files[shard].open('rb') as file:
      file.seek(start)
      return json.loads(file.read(stop - start))


def _line_starts(path: pathlib.Path) -> array.array:
  """Returns where each line starts, and where the last one ends, in bytes."""
  starts = array.array('q', [0])
  with path.open('rb') as file:
    for line in file:
      starts.append(starts[-1] + len(line))
  return starts
