"""Differences between two models, by hand-computed values."""

import numpy as np
import pytest

from flan_jax.evaluation.comparison import compare, comparison_table
from tests.evaluation.splits import part, ranked, ranked_split


def test_a_clear_gain_and_its_reverse():
  golds = [0, 1] * 20
  test = part(ranked_split(golds))
  right, wrong = golds, [1 - gold for gold in golds]
  # One of two templates turns from wrong to right, on every row.
  before = ranked(t0=wrong, t1=right)
  after = ranked(t0=right, t1=right)
  (better,) = compare(test, before, after)
  assert (better['before'], better['after']) == (50, 100)
  assert better['difference'] == 50
  assert better['interval'] == (50, 50)
  assert better['verdict'] == 'better'
  (worse,) = compare(test, after, before)
  assert (worse['difference'], worse['verdict']) == (-50, 'worse')


def test_a_difference_within_its_interval_has_no_verdict():
  golds = [0] * 20
  first, second = [0] * 10 + [1] * 10, [0] * 11 + [1] * 9
  (result,) = compare(
    part(ranked_split(golds)), ranked(t0=first), ranked(t0=second)
  )
  assert result['difference'] == pytest.approx(5)
  assert result['interval'][0] <= 0 <= result['interval'][1]
  assert result['verdict'] == 'no difference shown'


def test_the_same_groups_are_drawn_for_both_models():
  # Both models are right in one group and wrong in the other, but the second is
  # better by one row in each. Paired, the gain is certain.
  golds = [0] * 8
  groups = [0] * 4 + [1] * 4
  first, second = [0, 0, 0, 1] + [1] * 4, [0] * 4 + [0, 1, 1, 1]
  (result,) = compare(
    part(ranked_split(golds, groups=groups)),
    ranked(t0=first),
    ranked(t0=second),
  )
  np.testing.assert_allclose(result['interval'], (25, 25))
  assert result['verdict'] == 'better'


def test_the_table_shows_numbers_and_verdict():
  golds = [0, 1] * 5
  (result,) = compare(
    part(ranked_split(golds)), ranked(t0=[0] * 10), ranked(t0=golds)
  )
  line = str(comparison_table([result])).splitlines()[-1].split()
  assert line[:6] == ['rte', 'accuracy', '10', '50.0', '100.0', '+50.0']
  assert line[-1] == 'better'
  (result,) = compare(
    part(ranked_split(golds)), ranked(t0=golds), ranked(t0=golds)
  )
  assert '+0.0 to +0.0  no difference shown' in str(comparison_table([result]))
