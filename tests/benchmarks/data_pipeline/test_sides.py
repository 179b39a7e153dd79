"""Sides that run in this process."""

import itertools

import numpy as np
import pytest

from benchmarks.data_pipeline.own import ARRAYS
from benchmarks.data_pipeline.sides import Side

_ROW = {
  'tokens': [4, 5, 6, 0],
  'segments': [1, 1, 2, 0],
  'positions': [0, 1, 0, 0],
  'labels': [5, 9, 7, 0],
  'loss_mask': [1, 1, 1, 0],
}
_BATCH = {name: np.array([_ROW[name]], np.int32) for name in ARRAYS}


def _side(batch, **changes):
  return Side(
    'peer',
    lambda: itertools.repeat(batch),
    changes.get('sequence', lambda tokens, labels: labels),
    (1, 4),
  )


def test_a_turn_counts_positions_that_hold_a_token():
  answer = _side(_BATCH).run('batches', seconds=0.01)
  assert answer['fill'] == 0.75
  assert answer['work'] % 3 == 0 and answer['work'] > 0


def test_sequences_are_those_of_the_segments():
  found = [
    np.frombuffer(sequence, np.int32).tolist()
    for sequence in _side(_BATCH).sequences(_BATCH)
  ]
  assert found == [[5, 9], [7]]


def test_another_form_is_refused_unless_it_is_the_sides_own():
  other = {**_BATCH, 'labels': _BATCH['labels'].astype(np.int64)}
  with pytest.raises(ValueError, match='peer delivers'):
    _side(other)
  assert _side(other, sequence=None).facts['seconds_to_first_batch'] >= 0
