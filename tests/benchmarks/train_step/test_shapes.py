"""The batches that all sides train on."""

import numpy as np
import pytest

from benchmarks.train_step.shapes import SHAPES, make_batch


def test_a_sixth_are_targets_and_labels_follow():
  dense, flan = (make_batch(SHAPES['tiny'], case) for case in ('dense', 'flan'))
  for batch in (dense, flan):
    np.testing.assert_array_equal(
      batch['tokens'][:, 1:], batch['labels'][:, :-1]
    )
  np.testing.assert_array_equal(dense['tokens'], flan['tokens'])
  assert dense['targets'].all()
  assert dense['segments'].max() == 1
  base = make_batch(SHAPES['base'], 'flan')
  assert base['targets'].mean() == pytest.approx(1 / 6, rel=0.02)
  # Every example ends in its target, and all have the same length.
  first = base['segments'][0] == 1
  assert base['targets'][0, first].tolist() == [0] * 133 + [1] * 27
  assert base['positions'][0, first].tolist() == list(range(160))
