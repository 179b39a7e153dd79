"""Training that does not learn any more stops, with the step and its rows."""

import math

import pytest

from flan_jax.training.step_metrics import DivergedError, Health

_FINE = {'loss': 1.0, 'gradient_norm': 2.0, 'target_tokens': 3.0}


def _rows(step: int) -> dict[str, list[str]]:
  return {'rte': [f'{step}-{n}' for n in range(10)], 'cb': ['7']}


def test_metrics_that_are_not_finite_are_named_with_step_and_rows():
  health = Health(_rows)
  assert health.check(6, _FINE) == _FINE
  with pytest.raises(DivergedError) as error:
    health.check(7, {**_FINE, 'loss': math.nan, 'gradient_norm': math.inf})
  message = str(error.value)
  assert 'step 7 (loss=nan, gradient_norm=inf)' in message
  assert 'rte: 7-0, 7-1' in message and 'and 2 more; cb: 7' in message
  assert 'SKIP_NONFINITE' not in message and '\n' not in message


def test_a_few_steps_may_be_skipped():
  health = Health(_rows, most_skipped=2, skipped=1)
  skipped = {**_FINE, 'loss': math.nan, 'skipped': 1.0}
  found = health.check(5, skipped)
  assert 'loss' not in found and found['skipped'] == 1
  assert health.check(6, {**_FINE, 'skipped': 0.0})
  assert health.skipped == 2
  with pytest.raises(DivergedError, match='SKIP_NONFINITE=2 used up'):
    health.check(7, skipped)


def test_a_gradient_that_stays_zero_is_a_fault():
  dead = {**_FINE, 'gradient_norm': 0.0}
  health = Health(_rows)
  health.check(1, dead)
  health.check(2, dead)
  health.check(3, _FINE)
  for step in (4, 5):
    health.check(step, dead)
  # A batch without targets has no gradient.
  health.check(6, {**dead, 'target_tokens': 0.0})
  for step in (7, 8):
    health.check(step, dead)
  with pytest.raises(DivergedError, match='zero since step 7') as error:
    health.check(9, dead)
  assert 'rows of rte: 7-0' in str(error.value)
