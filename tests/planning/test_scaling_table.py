"""The generated table matches the plans."""

import pytest

from flan_jax.errors import UserError
from flan_jax.planning import scaling_table


@pytest.fixture
def planned(planned):
  """A plan with generation, which takes as long to compile as the rest."""
  return {**planned, 'generate': planned['evaluation']}


def test_a_row_of_a_plan(planned):
  cells = scaling_table.row('small', 't4_8', planned)
  assert cells[:3] == ['small', 't4_8 (t4:8)', '2 x 2 x 2']
  assert all(cell.endswith(' of 16') for cell in cells[3:6])
  unpublished = {**planned['run'], 'kwh': None}
  other = scaling_table.row('small', 't4_8', {**planned, 'run': unpublished})
  assert other == [*cells[:-2], '-', cells[-1]]
  lines = list(scaling_table.table([cells]))
  assert len({line.count('|') for line in lines}) == 1


def test_a_plan_that_does_not_fit_has_a_row(planned):
  train = {**planned['train'], 'fits': False}
  train.pop('step')
  cells = scaling_table.row('x', 'y', {**planned, 'train': train, 'run': None})
  assert cells[3].endswith('does not fit')
  assert cells[-1] == '-'


def test_only_the_table_is_replaced():
  marks = (scaling_table._BEGIN, scaling_table._END)
  text = f'before {marks[0]} old {marks[1]} after'
  once = scaling_table.replaced(text, 'new')
  assert once.startswith('before ') and once.endswith(' after')
  assert 'old' not in once and 'new' in once
  assert scaling_table.replaced(once, 'new') == once
  with pytest.raises(UserError, match='lacks the mark'):
    scaling_table.replaced('nothing', 'new')
