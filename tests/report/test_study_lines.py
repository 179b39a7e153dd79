"""Figures 6, 7, 9 and 11, from studies of made-up cells."""

from flan_jax.mixtures.ablations import HELD_OUT
import numpy as np
import pytest

from flan_jax.report import study_lines
from flan_jax.report.drawing import style
from flan_jax.studies.published_curves import BLOOMZ
from tests.report.drawn import heights, hollow, points
from tests.report.study_results import adapted, every_member, study
from tests.studies.cells import cell, part

_LABEL = 'zero-shot'


def _draw(function, json):
  with style():
    return function('name', json)


def _held_out(arm, value, **more):
  return cell(arm, {_LABEL: every_member(HELD_OUT, value, **more)}, 'clusters')


@pytest.fixture(scope='module')
def clusters():
  cells = [_held_out(str(n), 40.0 + n) for n in (0, 1, 7)]
  return study('clusters', ('clusters',), cells)


def test_figure_6_has_a_line_for_each_cluster_and_their_mean(clusters):
  drawing = _draw(study_lines.cluster_lines, clusters)
  (axes,) = drawing.canvas.axes
  for label in (*HELD_OUT, 'mean'):
    assert points(axes, label) == [(0, 40), (1, 41), (7, 47)]
  assert points(axes, 'paper') == [(1, 49.9), (7, 63.5)]
  assert hollow(axes, 'paper') == {False}  # Quoted.
  assert 'mean 40.0 at 0, 47.0 at 7' in drawing.alt


def test_means_over_smaller_copies_do_not_stand_beside_the_paper(clusters):
  drawing = _draw(study_lines.cluster_lines, adapted(clusters))
  assert not points(drawing.canvas.axes[0], 'paper')
  assert "paper's values are left out" in drawing.caption


def test_an_unfinished_mean_leaves_a_gap():
  cells = [
    _held_out('0', 40.0),
    cell('1', {_LABEL: every_member(['nli'], 41.0)}, 'clusters'),
  ]
  drawing = _draw(
    study_lines.cluster_lines, study('clusters', ('clusters',), cells)
  )
  (axes,) = drawing.canvas.axes
  assert heights(axes, 'nli') == [40.0, 41.0]
  assert heights(axes, 'mean') == [40.0]


@pytest.mark.parametrize(
  'arms, places',
  [
    (('2B base', '2B tuned', '8B base', '8B tuned'), [2e9, 8e9]),
    (('1 layer base', '1 layer tuned', '2 layers base'), [0, 1]),
  ],
)
def test_figure_7_has_a_line_before_and_one_after_tuning(arms, places):
  cells = [_held_out(arm, 40.0 + n, best=60.0) for n, arm in enumerate(arms)]
  drawing = _draw(study_lines.scale_lines, study('scale', ('clusters',), cells))
  ours, *others = drawing.canvas.axes
  assert points(ours, 'base') == [(places[0], 40.0), (places[1], 42.0)]
  assert points(ours, 'tuned')[0] == (places[0], 41.0)
  assert set(heights(ours, 'base, best template')) == {60.0}
  assert hollow(ours, 'base, best template') == {True}
  published = [
    value
    for axes in others
    for label in ('base', 'tuned')
    for value in heights(axes, label)
  ]
  assert sorted(published) == sorted(
    value for p in BLOOMZ for value in (p.base_median, p.tuned_median)
  )


@pytest.fixture(scope='module')
def fewshot():
  cells = [
    cell(
      arm,
      {
        label: every_member([cluster], value + len(label), std=3.0)
        for label in ('0', '16')
      },
      cluster,
    )
    for arm, value in (('tuned with 0', 60.0), ('tuned with 16', 70.0))
    for cluster in ('commonsense', 'coreference')
  ]
  return study('fewshot', ('commonsense', 'coreference'), cells)


def test_figure_9_has_a_panel_for_each_cluster_with_deviations(fewshot):
  drawing = _draw(study_lines.fewshot_lines, fewshot)
  axes, other = drawing.canvas.axes
  assert heights(axes, 'tuned with 0') == [61.0, 62.0]
  assert heights(axes, 'tuned with 16') == [71.0, 72.0]
  bar = axes.containers[0].lines[2][0].get_segments()[0]
  assert bar[:, 1].tolist() == [58.0, 64.0]
  # The paper shows as many exemplars as it tunes with.
  assert heights(axes, 'paper, recalled') == [80.0, 80.8]
  assert heights(other, 'paper, recalled') == [63.8, 67.4]
  assert 'tuned with 0, 0 exemplars 61.0' in drawing.alt


def test_figure_11_has_a_line_for_each_number_of_datasets():
  cells = [
    _held_out(f'{d} datasets, {t} templates', 10.0 * d + t)
    for d in (1, 4)
    for t in (10, 1)
  ]
  drawing = _draw(
    study_lines.template_lines, study('templates', ('clusters',), cells)
  )
  mean, *clusters = drawing.canvas.axes
  assert len(clusters) == len(HELD_OUT)
  for axes in (mean, *clusters):
    assert points(axes, '1 dataset a cluster') == [(1, 11), (10, 20)]
    assert points(axes, '4 datasets a cluster') == [(1, 41), (10, 50)]
  assert '4 x 10: 50.0' in drawing.alt


@pytest.mark.parametrize(
  'panel, function, arm',
  [
    ('clusters', study_lines.cluster_lines, '1'),
    ('scale', study_lines.scale_lines, '2B base'),
    ('fewshot', study_lines.fewshot_lines, 'tuned with 0'),
    ('templates', study_lines.template_lines, '1 dataset, 1 template'),
  ],
)
def test_a_study_without_means_has_no_figure(panel, function, arm):
  cells = [cell(arm, {'0': [part('rte', 50.0)]}, 'clusters')]
  assert _draw(function, study(panel, ('clusters',), cells)) is None


def test_missing_values_are_not_drawn_as_zero(fewshot):
  lines = [dict(line) for line in fewshot['panel']['means']]
  lines[0]['mean'] = lines[0]['std'] = None
  drawing = _draw(
    study_lines.fewshot_lines, {**fewshot, 'panel': {'means': lines}}
  )
  found = points(drawing.canvas.axes[0], 'tuned with 0')
  assert np.isnan(found[0][1]) and found[1][1] == 62.0
