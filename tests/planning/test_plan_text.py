"""A plan as text."""

import pytest

from flan_jax.planning import plan_text
from flan_jax.terminal.blocks import plain

_GIB = 2**30


def _text(plan):
  return plain(plan_text.lines(plan))


@pytest.mark.slow
def test_a_plan_that_fits(planned):
  text = _text({**planned, 'proposals': []})
  assert 't4:8: chips 8, devices 8' in text
  assert 'of 16.00: fits' in text
  assert 'run of 100 steps' in text
  assert 'US dollars' in text
  assert 'note: simulated' in text
  assert 'evaluation: 8 rows of 64 tokens' in text


@pytest.mark.slow
def test_a_plan_that_does_not_fit(planned):
  train = {'rows': 8, 'length': 64, 'memory': {'batch': _GIB}}
  train |= {'needed_bytes': 3 * _GIB, 'memory_bytes': 2 * _GIB, 'fits': False}
  planned = {**planned, 'train': train, 'run': None, 'proposals': []}
  text = _text(planned)
  assert '3.000 of 2.00: DOES NOT FIT' in text
  assert 'use more devices' in text
  proposal = {
    'name': 'mesh',
    'needed_bytes': {'train': _GIB},
    'settings': {'MESH_FSDP': 8, 'MESH_MODEL': 1},
  }
  text = _text({**planned, 'proposals': [proposal]})
  assert '  mesh: train 1.00 GiB\n' in text
  assert '--gin.MESH_FSDP=8 --gin.MESH_MODEL=1' in text
