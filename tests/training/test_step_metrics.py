"""Metrics that are not finite stop a run."""

import pytest

from flan_jax.training.step_metrics import DivergedError, check_finite


def test_metrics_that_are_not_finite_are_named_with_the_step():
  check_finite(7, {'loss': 1.0})
  with pytest.raises(DivergedError, match=r'step 7 \(loss=nan, norm=inf\)'):
    check_finite(7, {'loss': float('nan'), 'fine': 0.0, 'norm': float('inf')})
