"""Metrics that are not finite stop a run."""

import pytest

from flan_jax.training.step_metrics import DivergedError, check_finite


def test_what_is_not_finite_is_named_with_its_step():
  check_finite(7, {'loss': 1.0})
  with pytest.raises(DivergedError, match=r'step 7 \(loss=nan, norm=inf\)'):
    check_finite(7, {'loss': float('nan'), 'fine': 0.0, 'norm': float('inf')})
