"""Generated texts have the lengths that are asked for."""

import statistics

from benchmarks.data_pipeline import corpus


def test_rows_are_as_long_as_real_ones_and_differ():
  rows = list(corpus.rows('samsum', 200, seed=0))[:200]
  lengths = [len(row['dialogue'].split(' ')) for row in rows]
  wanted = corpus.DATASETS['samsum'].words
  assert 0.7 * wanted < statistics.median(lengths) < 1.4 * wanted
  assert len({row['dialogue'] for row in rows}) > 190
  assert all(row['_split'].startswith('train') for row in rows)
