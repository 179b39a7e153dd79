"""The main result beside the paper, and the controls."""

import pytest

from flan_jax.report.drawing import style
from flan_jax.report.study_rows import control_rows, main_rows
from flan_jax.studies import paper
from tests.report.drawn import points, row_labels, values
from tests.report.study_results import adapted, control, every_member, study
from tests.studies.cells import cell, part


def _draw(function, json):
  with style():
    return function('name', json)


@pytest.fixture(scope='module')
def main():
  cells = [
    cell('base', {'zero-shot': every_member(['commonsense'], 40.0)}),
    cell(
      'tuned',
      {
        'zero-shot': every_member(['commonsense'], 85.0, std=3.0),
        'few-shot': [part('copa', 70.0)],
      },
    ),
  ]
  return study('main', ('commonsense',), cells)


def test_figure_5_has_every_dataset_and_the_mean_of_its_cluster(main):
  drawing = _draw(main_rows, main)
  (axes,) = drawing.canvas.axes
  assert row_labels(drawing) == [
    *('commonsense', 'copa', 'hellaswag', 'piqa', 'story_cloze'),
    'mean of the cluster',
  ]
  assert values(axes, 'base, zero-shot') == [40.0] * 5
  assert values(axes, 'tuned, zero-shot') == pytest.approx([85.0] * 5)
  assert values(axes, 'tuned, few-shot') == [70.0]
  bar = axes.containers[0].lines[2][0].get_segments()[0]
  assert bar[:, 0].tolist() == [82.0, 88.0]


def test_the_papers_values_are_in_the_rows_of_their_datasets(main):
  drawing = _draw(main_rows, main)
  (axes,) = drawing.canvas.axes
  rows = dict(zip(axes.get_yticks(), row_labels(drawing), strict=True))
  found = {}
  for label in ('paper', 'paper, recalled'):
    for value, y in points(axes, label):
      found[rows[y]] = value, label == 'paper, recalled'
  assert found.pop('mean of the cluster') == (80.0, True)
  for name, drawn in found.items():
    expected = paper.find(name, paper.FLAN, 'zero_shot_mean')
    assert drawn == (expected.value, expected.provenance == 'recalled')
  assert set(found) == {'copa', 'hellaswag', 'piqa', 'story_cloze'}
  assert 'better than the base model on 4 of 4' in drawing.alt
  assert "above the paper's value on 2 of 4" in drawing.alt


def test_smaller_copies_do_not_stand_beside_the_paper(main):
  drawing = _draw(main_rows, adapted(main))
  (axes,) = drawing.canvas.axes
  assert not points(axes, 'paper') and not points(axes, 'paper, recalled')
  assert "the paper's value" not in drawing.alt


def test_where_less_is_better_the_tuned_model_wins_with_less():
  parts = [
    {**part('fix_punct', value), 'metric': 'word_edit_distance'}
    for value in (5.0, 2.0)
  ]
  cells = [
    cell(arm, {'zero-shot': [found]}, 'misc')
    for arm, found in zip(('base', 'tuned'), parts, strict=True)
  ]
  drawing = _draw(main_rows, study('main', ('misc',), cells))
  assert 'better than the base model on 1 of 1' in drawing.alt
  assert 'Less word_edit_distance is better' in drawing.caption
  assert 'fix_punct, word_edit_distance' in row_labels(drawing)


def test_a_study_without_results_has_no_figure():
  assert _draw(main_rows, study('main', ('nli',), [cell('base', {})])) is None


def _controls(*lines, holdouts=('nli',)):
  json = study('controls', holdouts, [])
  return {**json, 'panel': {'endpoints': list(lines)}}


def test_differences_have_their_intervals_and_are_shown_or_not():
  drawing = _draw(
    control_rows,
    _controls(control(8.0, True), control(-1.0, False), control(-5.0, True)),
  )
  (axes,) = drawing.canvas.axes
  assert values(axes, 'shown') == [8.0, -5.0]
  assert values(axes, 'not shown') == [-1.0]
  segments = [
    segment[:, 0].tolist()
    for lines in axes.collections
    for segment in lines.get_segments()
  ]
  assert [6.0, 11.0] in segments and [-3.0, 2.0] in segments
  assert 'of 3 differences, 1 are shown above zero and 1 below' in drawing.alt


def test_rows_say_what_is_compared_and_which_arm_was_best():
  line = control(1.0, False, second='best base', best='base, chat')
  drawing = _draw(control_rows, _controls(line))
  assert row_labels(drawing) == [
    'c: unseen cluster',
    'instructions less best base (base, chat)',
  ]
  several = _draw(control_rows, _controls(line, holdouts=('nli', 'sentiment')))
  assert row_labels(several)[1].endswith('(base, chat): nli')


def test_controls_without_a_line_have_no_figure():
  assert _draw(control_rows, _controls()) is None
