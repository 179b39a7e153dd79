"""Resamples draw whole groups, the same ones every time."""

import numpy as np
import pytest

from flan_jax.evaluation.metrics.bootstrap import Resamples


def _shares(right, groups):
  sums = Resamples.of(groups).sums(np.stack([right, np.ones(len(right))], 1))
  return 100 * sums[:, 0] / sums[:, 1]


def test_groups_that_stand_or_fall_together_count_as_one():
  right = np.random.default_rng(1).random(400) < 0.7
  alone = _shares(right, np.arange(400))
  # The normal approximation of a share of 400 independent rows.
  share = right.mean()
  error = 100 * np.sqrt(share * (1 - share) / 400)
  assert alone.std() == pytest.approx(error, rel=0.1)
  assert alone.mean() == pytest.approx(100 * share, abs=0.3)
  together = np.repeat(right[:20], 20)
  grouped = _shares(together, np.repeat(np.arange(20), 20))
  assert grouped.std() > 2 * alone.std()


def test_resamples_are_those_of_drawing_groups_one_by_one():
  groups = np.array(['a', 'b', 'b', 'c'])
  rows = [np.flatnonzero(groups == name) for name in 'abc']
  generator = np.random.Generator(np.random.PCG64(0))
  values = np.array([1.0, 2.0, 4.0, 8.0])
  expected = []
  for _ in range(1000):
    drawn = generator.integers(3, size=3)
    expected.append(sum(values[rows[g]].sum() for g in drawn))
  resamples = Resamples.of(groups)
  assert resamples.sums(values[:, None])[:, 0].tolist() == expected
  assert (resamples.weights() @ values).tolist() == expected
