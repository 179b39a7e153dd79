"""Intervals of few rows, of means and of differences."""

import numpy as np
import pytest
from scipy import stats

from flan_jax.evaluation.metrics import intervals


@pytest.mark.parametrize('right, count', [(0, 20), (13, 20), (56, 56)])
def test_few_rows_have_wilsons_interval(right, count):
  known = stats.binomtest(right, count).proportion_ci(method='wilson')
  value = 100 * right / count
  found = intervals.interval(np.full(1000, value), value, count, True)
  assert found == pytest.approx((100 * known.low, 100 * known.high), abs=1e-3)


def test_many_rows_and_other_metrics_have_the_bootstraps():
  resampled = np.linspace(0, 100, 1001)
  bounds = pytest.approx((2.5, 97.5))
  assert intervals.interval(resampled, 50.0, 1000, True) == bounds
  assert intervals.interval(resampled, 50.0, 20, False) == bounds
  assert intervals.of_difference(resampled, 50.0, 1.0, 1000) == bounds
  few = intervals.of_difference(resampled, 50.0, 1.0, 21)
  assert few == pytest.approx((50 - 2.086, 50 + 2.086), abs=1e-3)


def test_directions_of_one_dataset_share_their_rows():
  values, bounds = [50.0, 50.0], [(46.0, 54.0)] * 2
  apart = intervals.of_mean(['rte', 'cb'], values, bounds)
  together = intervals.of_mean(['wmt', 'wmt'], values, bounds)
  assert apart[1] - 50 == pytest.approx(4 / np.sqrt(2))
  assert together == (46.0, 54.0)
  assert intervals.of_mean(['rte', 'cb'], values, [bounds[0], None]) is None
