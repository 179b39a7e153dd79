"""Assembly gives what `fill_row` gives, whatever the examples."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np

from flan_jax.batches.assembly import assemble
from flan_jax.batches.packing import Capacity, Example, empty_batch, fill_row

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
def test_all_rows_at_once_are_the_rows_one_by_one(rows):
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
def test_what_is_read_and_what_is_predicted_is_the_examples(rows):
  batch = _assembled(rows)
  for row, examples in enumerate(rows):
    arrays = {name: array[row] for name, array in batch.items()}
    weights = arrays['target_weights'].astype(bool)
    sources = arrays['target_positions'][weights]
    labels = arrays['target_labels'][weights]
    assert arrays['segments'].max() == len(examples)
    for segment, (prompt, target) in enumerate(examples, start=1):
      places = np.flatnonzero(arrays['segments'] == segment)
      # In one span, positions from 0: nothing crosses into another segment.
      assert np.array_equal(places, places[0] + np.arange(len(places)))
      assert np.array_equal(arrays['positions'][places], places - places[0])
      assert arrays['tokens'][places].tolist() == (prompt + target)[:-1]
      # Predicted is the target, each token from the place before it.
      mine = np.isin(sources, places)
      assert labels[mine].tolist() == target
      first = places[0] + len(prompt) - 1
      assert np.array_equal(sources[mine], first + np.arange(len(target)))
    padding = arrays['segments'] == 0
    assert not arrays['tokens'][padding].any()
    assert not arrays['positions'][padding].any()
    assert weights.sum() == sum(len(target) for _, target in examples)
