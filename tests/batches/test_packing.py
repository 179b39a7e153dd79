"""Packing loses nothing, keeps capacities, and fills rows."""

import itertools

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from flan_jax.batches.packing import (
  Capacity,
  Example,
  Packer,
  PackingError,
  empty_batch,
  fill_row,
  pack,
)


@given(st.data())
def test_every_example_is_placed_once_within_capacities(data):
  count = data.draw(st.integers(0, 60))
  lengths = data.draw(
    st.lists(st.integers(1, 40), min_size=count, max_size=count)
  )
  targets = [data.draw(st.integers(1, length)) for length in lengths]
  capacity = Capacity(64, 48, 5)
  rows = pack(np.array(lengths), np.array(targets), capacity)
  assert sorted(sum(rows, [])) == list(range(count))
  for row in rows:
    assert sum(lengths[i] for i in row) <= 64
    assert sum(targets[i] for i in row) <= 48
    assert len(row) <= 5


@given(
  st.lists(st.tuples(st.integers(1, 40), st.integers(1, 20)), max_size=40),
  st.integers(1, 9),
)
def test_rows_do_not_depend_on_the_bites(examples, bite):
  lengths, targets = np.array(examples, int).reshape(-1, 2).T
  capacity = Capacity(64, 30, 5)
  packer = Packer(lengths, targets, capacity)
  for _ in range(0, len(lengths), bite):
    packer.place(bite)
  items, start = packer.rows()
  bounds = itertools.pairwise(start)
  rows = [items[first:last].tolist() for first, last in bounds]
  assert rows == pack(lengths, targets, capacity)


def test_fill_stays_high_with_capacities_on():
  generator = np.random.default_rng(0)
  lengths = np.clip(generator.lognormal(4.5, 0.8, 20_000), 8, 1280).astype(int)
  targets = np.clip(lengths // 6, 1, 256)
  budget = max(257, int(3 * 2048 * targets.sum() / lengths.sum()))
  rows = pack(lengths, targets, Capacity(2048, budget, 256))
  assert lengths.sum() / (len(rows) * 2048) > 0.98


def test_spent_targets_do_not_collapse_the_fill():
  # Long rows that are mostly targets beside many with few: rows whose targets
  # are spent must not be tried over and over, nor stop others.
  lengths = np.array([200] * 300 + [50] * 4000)
  targets = np.array([180] * 300 + [2] * 4000)
  rows = pack(lengths, targets, Capacity(1024, 400, 256))
  assert lengths.sum() / (len(rows) * 1024) > 0.9


@pytest.mark.parametrize(
  'length, target, name', [(65, 1, 'PACK_LENGTH'), (10, 9, 'TARGET_BUDGET')]
)
def test_an_example_that_no_row_holds(length, target, name):
  with pytest.raises(PackingError, match=name):
    pack(np.array([length]), np.array([target]), Capacity(64, 8, 4))


def test_branches_share_a_prompt():
  batch = empty_batch(2, Capacity(16, 8, 4))
  example = Example([5, 6, 1], ([7, 8, 1], [9, 1]))
  places = fill_row(batch, 1, [example])
  assert example.length == 6 and example.predicted == 5
  assert batch['tokens'][1, :6].tolist() == [5, 6, 1, 7, 8, 9]
  assert batch['branches'][1, :6].tolist() == [0, 0, 0, 1, 1, 2]
  assert batch['positions'][1, :6].tolist() == [0, 1, 2, 3, 4, 3]
  labels = [batch['target_labels'][1, place].tolist() for place in places[0]]
  assert labels == [[7, 8, 1], [9, 1]]
  sources = [batch['target_positions'][1, p].tolist() for p in places[0]]
  assert sources == [[2, 3, 4], [2, 5]]
  assert batch['target_weights'][0].sum() == 0
  assert batch['target_weights'][1].sum() == 5
