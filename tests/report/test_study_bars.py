"""Figures 8 and 10, from studies of made-up cells."""

import pytest

from flan_jax.report.drawing import style
from flan_jax.report.study_bars import instruction_bars, prompt_tuning_bars
from flan_jax.studies.published_curves import (
  FIGURE_10,
  PROMPT_TUNING_DATASETS,
)
from tests.report.drawn import heights
from tests.report.study_results import adapted, every_member, study
from tests.studies.cells import cell, part

_HOLDOUTS = ('nli', 'reading_comprehension')


def _draw(function, json):
  with style():
    return function('name', json)


def _bars(axes):
  return {
    bars.get_label(): [bar.get_height() for bar in bars]
    for bars in axes.containers
  }


@pytest.fixture(scope='module')
def instructions():
  cells = []
  for holdout in _HOLDOUTS:
    for arm, value in (('instructions', 60.0), ('no template', 40.0)):
      parts = every_member([holdout], value)
      cells.append(cell(arm, {'instructions': parts}, holdout))
  return study('instructions', _HOLDOUTS, cells)


def test_figure_8_has_bars_of_each_way_of_tuning(instructions):
  drawing = _draw(instruction_bars, instructions)
  (axes,) = drawing.canvas.axes
  bars = _bars(axes)
  assert bars['tuned: instructions, asked: instructions'] == [60.0] * 3
  assert bars['tuned: no template, asked: instructions'] == [40.0] * 3
  names = [label.get_text() for label in axes.get_xticklabels()]
  assert names == ['nli', 'reading\ncomprehension', 'overall']
  assert drawing.alt.startswith('overall: tuned: instructions')


def test_the_papers_values_stand_where_ours_do(instructions):
  (axes,) = _draw(instruction_bars, instructions).canvas.axes
  assert heights(axes, 'paper, recalled') == [56.2, 77.4, 50.5, 58.2]
  # Those of the whole table are quoted.
  assert heights(axes, 'paper') == [55.2, 37.3]


def test_bars_of_smaller_copies_do_not_stand_beside_the_paper(instructions):
  (axes,) = _draw(instruction_bars, adapted(instructions)).canvas.axes
  assert not heights(axes, 'paper') and not heights(axes, 'paper, recalled')


def _prompts(arm, label, values):
  prompts = [
    {'label': label, 'task': task, 'parts': [part(task, value)]}
    for task, value in values.items()
  ]
  return {**cell(arm, {}), 'prompts': prompts}


def test_figure_10_has_bars_of_each_task_and_their_mean():
  (first, *_) = FIGURE_10
  values = dict.fromkeys(PROMPT_TUNING_DATASETS, 50.0)
  cells = [
    _prompts('base', '32 examples', values),
    _prompts('tuned', '7 examples', {'rte': 30.0}),
  ]
  drawing = _draw(prompt_tuning_bars, study('prompt_tuning', ('nli',), cells))
  (axes,) = drawing.canvas.axes
  bars = _bars(axes)
  assert bars['base, 32 examples'] == [50.0] * 9
  assert [x for x in bars['tuned, 7 examples'] if x == x] == [30.0, 30.0]
  # The paper has no prompts of seven examples.
  assert heights(axes, 'paper, recalled') == [*first.values, first.mean]
  assert drawing.alt == (
    'mean: base, 32 examples 50.0; tuned, 7 examples 30.0.'
  )


@pytest.mark.parametrize(
  'panel, function',
  [('instructions', instruction_bars), ('prompt_tuning', prompt_tuning_bars)],
)
def test_a_study_without_numbers_has_no_figure(panel, function):
  assert _draw(function, study(panel, ('nli',), [cell('base', {})])) is None
