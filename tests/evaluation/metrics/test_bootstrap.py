"""Intervals cover the truth, widen with groups and do not change."""

import numpy as np
import pytest

from flan_jax.evaluation.metrics.bootstrap import bootstrap_interval


def test_interval_covers_and_widens_with_groups():
  generator = np.random.default_rng(1)
  right = generator.random(400) < 0.7
  alone = bootstrap_interval(
    lambda rows: 100 * right[rows].mean(), np.arange(400)
  )
  # The normal approximation of a share of 400 independent rows.
  share = right.mean()
  half = 196 * np.sqrt(share * (1 - share) / 400)
  assert alone[1] - alone[0] == pytest.approx(2 * half, rel=0.15)
  assert alone[0] < 100 * share < alone[1]
  # Twenty rows of one group that stand or fall together count as one.
  together = np.repeat(right[:20], 20)
  grouped = bootstrap_interval(
    lambda rows: 100 * together[rows].mean(), np.repeat(np.arange(20), 20)
  )
  assert grouped[1] - grouped[0] > 2 * (alone[1] - alone[0])


def test_interval_is_reproducible():
  groups = np.array(['a', 'b', 'b', 'c'])

  def statistic(rows):
    return float(rows.mean())

  first = bootstrap_interval(statistic, groups)
  assert first == bootstrap_interval(statistic, groups)
