"""Memory of another process."""

import pytest

from benchmarks.memory.watching import run_phase

_MIB = 2**20


def _take(mib):
  block = bytearray(b'x') * (mib * _MIB)
  return {'taken': len(block)}


def _fail():
  raise ValueError('no')


def test_the_peak_holds_what_a_phase_takes():
  phase = run_phase(_take, 1)
  assert phase.result == {'taken': _MIB}
  assert phase.peak_mib >= phase.peak_private_mib


def test_a_phase_that_fails_is_an_error():
  with pytest.raises(RuntimeError, match='_fail'):
    run_phase(_fail)
