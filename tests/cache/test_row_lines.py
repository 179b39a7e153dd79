"""Rows read one by one are the rows of the split."""

import numpy as np

from flan_jax.cache.row_lines import RowLines
from flan_jax.testing.cached_splits import write_cached_split


def test_rows_of_all_shards_by_number(tmp_path):
  sizes = np.full(7, 3)
  split = write_cached_split(tmp_path / 'split', 'one', sizes, sizes, shards=3)
  lines = RowLines(split)
  assert [lines[n] for n in (6, 0, 3, 2, 1, 5, 4)] == [
    split.rows[n] for n in (6, 0, 3, 2, 1, 5, 4)
  ]
