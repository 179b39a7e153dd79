"""The panel of `prompt_tuning`, fed with the paper's own values."""

import pytest

from flan_jax.definitions import registry
from flan_jax.studies.design import StudyDesign
from flan_jax.studies.prompt_panel import prompt_tuning_panel
from flan_jax.studies.published_curves import (
  FIGURE_10,
  PROMPT_TUNING_DATASETS,
)
from tests.studies.cells import cell, part

registry.load()

_ARMS = {'LaMDA-PT': 'base', 'FLAN 137B': 'tuned'}
_LABELS = {32: '32 examples', None: 'all examples'}


def _cell(arm, label, values, holdout, seed=0):
  """Returns a cell with one prompt for each task."""
  prompts = [
    {'label': label, 'task': task, 'parts': [part(task, value)]}
    for task, value in values.items()
  ]
  return {**cell(arm, {}, holdout, seed), 'prompts': prompts}


def _lines(cells):
  (lines,) = prompt_tuning_panel(StudyDesign({}, ()), cells).values()
  return lines


def test_figure_10_is_reproduced_by_the_papers_values():
  cells = []
  for bar in FIGURE_10:
    values = dict(zip(PROMPT_TUNING_DATASETS, bar.values, strict=True))
    names = list(values)
    # Tasks of a line come from several hold-outs.
    for holdout, tasks in (('nli', names[:3]), ('others', names[3:])):
      chosen = {task: values[task] for task in tasks}
      cells.append(
        _cell(_ARMS[bar.system], _LABELS[bar.examples], chosen, holdout)
      )
  lines = _lines(cells)
  assert len(lines) == len(FIGURE_10)
  for line, bar in zip(lines, FIGURE_10, strict=True):
    assert line['arm'] == _ARMS[bar.system]
    assert line['trained on'] == _LABELS[bar.examples]
    assert line['paper'] == bar.mean
    assert line['mean'] == pytest.approx(bar.mean, abs=0.07)
    assert [line[task] for task in PROMPT_TUNING_DATASETS] == [*bar.values]


def test_some_tasks_or_another_number_of_examples_have_no_counterpart():
  every = dict.fromkeys(PROMPT_TUNING_DATASETS, 50.0)
  cells = [
    _cell('base', '32 examples', {'rte': 50.0, 'cb': 60.0}, 'nli'),
    _cell('base', '8 examples', every, 'nli'),
  ]
  few, other = _lines(cells)
  assert (few['mean'], few['paper']) == (55.0, None)
  assert (other['mean'], other['paper']) == (50.0, None)


def test_seeds_are_averaged():
  cells = [
    _cell('tuned', '32 examples', {'rte': value}, 'nli', seed)
    for seed, value in enumerate((40.0, 60.0))
  ]
  (line,) = _lines(cells)
  assert line['rte'] == line['mean'] == 50.0
