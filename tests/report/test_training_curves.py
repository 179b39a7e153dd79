"""Curves of a run: what is drawn is what was recorded."""

import pytest

from flan_jax.report.drawing import style
from flan_jax.report.training_curves import CURVES, training_curves
from tests.report import results_files


def _panels(metrics):
  with style():
    drawing = training_curves('training', 'Training', metrics)
  axes = [a for a in drawing.canvas.axes if a.axison]
  return drawing, {a.get_title(loc='left'): a for a in axes}


def _line(axes):
  (line,) = axes.get_lines()
  return list(zip(line.get_xdata(), line.get_ydata(), strict=True))


def test_recorded_values_are_drawn():
  drawing, panels = _panels(results_files.metrics())
  loss = panels['loss, nats a target token']
  assert _line(loss) == [(1, 3.0), (2, 1.5), (3, 1.0), (4, 0.75)]
  assert _line(panels['accuracy on validation rows, %']) == [(4, 50.0)]
  assert _line(panels['learning rate'])[0] == (1, 1e-3)
  assert 'loss, nats a target token from 3 to 0.75' in drawing.alt


def test_no_value_is_at_the_edge_of_its_panel():
  _, panels = _panels(results_files.metrics())
  for axes in panels.values():
    low, high = axes.get_ylim()
    assert low < min(y for _, y in _line(axes))
    assert high > 1.05 * max(y for _, y in _line(axes))


def test_every_metric_that_training_writes_has_a_panel():
  train = {curve.key: 2.0 for curve in CURVES if curve.kind == 'train'}
  metrics = [
    {'step': 1, 'kind': 'train', **train},
    {'step': 1, 'kind': 'validation', 'loss': 2.0, 'accuracy': 10.0},
  ]
  _, panels = _panels(metrics)
  assert list(panels) == [curve.label for curve in CURVES]


def test_a_metric_that_is_missing_has_no_panel():
  _, panels = _panels([{'step': 1, 'kind': 'train', 'loss': 2.0}])
  assert list(panels) == ['loss, nats a target token']


def test_long_runs_are_drawn_as_means_and_ranges():
  metrics = [
    {'step': step, 'kind': 'train', 'loss': float(step % 10)}
    for step in range(1, 3001)
  ]
  drawing, panels = _panels(metrics)
  axes = panels['loss, nats a target token']
  steps, means = zip(*_line(axes), strict=True)
  # Groups of ten steps, from 1 to 10 and so on.
  assert len(steps) == 300
  assert steps[:2] == (5.5, 15.5)
  assert set(means) == {4.5}
  (band,) = axes.collections
  assert band.get_datalim(axes.transData).intervaly.tolist() == [0, 9]
  assert 'mean of neighbouring steps' in drawing.caption


def test_a_step_that_was_repeated_counts_once():
  line = {'step': 1, 'kind': 'train'}
  _, panels = _panels([{**line, 'loss': 9.0}, {**line, 'loss': 2.0}])
  assert _line(panels['loss, nats a target token']) == [(1, 2.0)]


@pytest.mark.parametrize('metrics', [[], [{'step': 1, 'kind': 'train'}]])
def test_without_metrics_there_is_no_figure(metrics):
  assert training_curves('training', 'Training', metrics) is None
