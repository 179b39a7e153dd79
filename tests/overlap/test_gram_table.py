"""The filter lets all entries pass, and few others."""

import numpy as np

from flan_jax.overlap.gram_table import GramTable


def test_entries_pass_and_few_others_do():
  generator = np.random.default_rng(0)
  keys = generator.integers(0, 1 << 63, 20_000, np.uint64) << np.uint64(1)
  table = GramTable.of(13, keys, np.arange(len(keys)))
  windows, entries = table.find(keys)
  assert windows.tolist() == list(range(len(keys)))
  assert table.places[entries].tolist() == windows.tolist()
  others = generator.integers(0, 1 << 63, 20_000, np.uint64) | np.uint64(1)
  assert not table.find(others)[0].size
  assert len(table._maybe(others)) < 0.03 * len(others)


def test_equal_keys_give_all_their_entries():
  keys = np.array([7, 5, 7, 9, 7], np.uint64) << np.uint64(50)
  table = GramTable.of(2, keys, np.arange(5))
  windows, entries = table.find(keys[[1, 0, 3, 2]])
  assert windows.tolist() == [0, 1, 1, 1, 2]
  assert table.places[entries].tolist() == [1, 0, 2, 4, 3]


def test_the_end_of_an_entry_is_compared():
  keys = np.array([5, 5], np.uint64)
  tails = np.array([8, 9], np.uint64)
  more = np.array([1, 2], np.uint8)
  table = GramTable.of(2, keys, np.arange(2), more, tails)
  assert table.words(0) == 3 and table.words(1) == 4
  windows, entries = table.find(np.array([5, 1, 9, 5, 8, 5], np.uint64))
  assert list(zip(windows.tolist(), entries.tolist(), strict=True)) == [
    (0, 1),
    (3, 0),
  ]
