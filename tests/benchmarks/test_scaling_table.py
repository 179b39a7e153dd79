"""The table says what the plans say."""

import dataclasses

import jax
import pytest

from benchmarks import scaling_table
from flan_jax.planning.planner import plan
from tests.planning.plans import MODEL, request


@pytest.fixture(scope='module')
def planned():
  # A TPU's rates, played by the CPU.
  model = dataclasses.replace(MODEL, compute_dtype='bfloat16')
  return plan(request(topology='v5e:2x4', model=model), jax.devices())


def test_a_row_of_a_plan(planned):
  cells = scaling_table.row('small', 'v5e_8', planned)
  assert cells[:3] == ['small', 'v5e_8 (v5e:2x4)', '2 x 2 x 2']
  assert cells[3].endswith(' of 16')
  # No power is published for this chip.
  assert cells[-2] == '-' and cells[-1] != '-'
  lines = list(scaling_table.table([cells]))
  assert len({line.count('|') for line in lines}) == 1


def test_a_plan_that_does_not_fit_has_a_row(planned):
  train = {**planned['train'], 'fits': False}
  train.pop('step')
  cells = scaling_table.row('x', 'y', {**planned, 'train': train, 'run': None})
  assert cells[3].endswith('does not fit')
  assert cells[-1] == '-'


def test_the_table_is_replaced_and_nothing_else():
  marks = (scaling_table._BEGIN, scaling_table._END)
  text = f'before {marks[0]} old {marks[1]} after'
  once = scaling_table.replaced(text, 'new')
  assert once.startswith('before ') and once.endswith(' after')
  assert 'old' not in once and 'new' in once
  assert scaling_table.replaced(once, 'new') == once
  with pytest.raises(ValueError, match='no place'):
    scaling_table.replaced('nothing', 'new')
