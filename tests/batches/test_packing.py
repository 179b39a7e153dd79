"""Packing places every example, respects capacities, and fills rows."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from flan_jax.batches.packing import (
  Capacity,
  Example,
  PackingError,
  assemble,
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


def test_fill_stays_high_with_capacities_on():
  generator = np.random.default_rng(0)
  lengths = np.clip(generator.lognormal(4.5, 0.8, 20_000), 8, 1280).astype(int)
  targets = np.clip(lengths // 6, 1, 256)
  budget = max(257, int(3 * 2048 * targets.sum() / lengths.sum()))
  rows = pack(lengths, targets, Capacity(2048, budget, 256))
  assert lengths.sum() / (len(rows) * 2048) > 0.99


def test_spent_targets_do_not_collapse_the_fill():
  # Long examples that are mostly targets, and many with few targets. Rows whose
  # targets are exhausted must neither be tried over and over nor block others.
  lengths = np.array([200] * 300 + [50] * 4000)
  targets = np.array([180] * 300 + [2] * 4000)
  rows = pack(lengths, targets, Capacity(1024, 400, 256))
  assert lengths.sum() / (len(rows) * 1024) > 0.9


@pytest.mark.parametrize(
  'length, target, name', [(65, 1, 'PACK_LENGTH'), (10, 9, 'TARGET_BUDGET')]
)
def test_example_too_long_for_a_row_is_refused(length, target, name):
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


_CAPACITY = Capacity(tokens=40, targets=24, segments=4)

_TOKEN = st.integers(1, 4095)
_EXAMPLE = st.tuples(
  st.lists(_TOKEN, min_size=1, max_size=6),
  st.lists(_TOKEN, min_size=1, max_size=5),
)
_ROWS = st.lists(st.lists(_EXAMPLE, max_size=4), max_size=5)


def _assembled(rows):
  examples = [example for row in rows for example in row]
  tokens = [token for prompt, target in examples for token in prompt + target]
  return assemble(
    np.array(tokens, np.int32),
    np.array([len(p) + len(t) - 1 for p, t in examples], np.int32),
    np.array([len(t) for _, t in examples], np.int32),
    np.array([len(row) for row in rows], np.int64),
    _CAPACITY,
  )


@given(_ROWS)
def test_assemble_equals_fill_row(rows):
  wanted = empty_batch(len(rows), _CAPACITY)
  for row, examples in enumerate(rows):
    fill_row(wanted, row, [Example(p, (t,)) for p, t in examples])
  del wanted['branches']
  batch = _assembled(rows)
  assert set(batch) == set(wanted)
  for name, array in wanted.items():
    assert np.array_equal(batch[name], array), name
    assert batch[name].dtype == array.dtype


@given(_ROWS)
def test_assembled_rows_hold_the_examples(rows):
  batch = _assembled(rows)
  for row, examples in enumerate(rows):
    arrays = {name: array[row] for name, array in batch.items()}
    weights = arrays['target_weights'].astype(bool)
    sources = arrays['target_positions'][weights]
    labels = arrays['target_labels'][weights]
    assert arrays['segments'].max() == len(examples)
    for segment, (prompt, target) in enumerate(examples, start=1):
      places = np.flatnonzero(arrays['segments'] == segment)
      # Contiguous, with positions from 0.
      assert np.array_equal(places, places[0] + np.arange(len(places)))
      assert np.array_equal(arrays['positions'][places], places - places[0])
      assert arrays['tokens'][places].tolist() == (prompt + target)[:-1]
      # The place before each target token predicts it.
      mine = np.isin(sources, places)
      assert labels[mine].tolist() == target
      first = places[0] + len(prompt) - 1
      assert np.array_equal(sources[mine], first + np.arange(len(target)))
    padding = arrays['segments'] == 0
    assert not arrays['tokens'][padding].any()
    assert not arrays['positions'][padding].any()
    assert weights.sum() == sum(len(target) for _, target in examples)
