"""What a run saw: shares of clusters, lengths and cuts."""

import pytest

from flan_jax.report.data_figures import cluster_shares, lengths
from flan_jax.report.drawing import style
from tests.report import results_files
from tests.report.drawn import texts


def _draw(function, data):
  with style():
    return function('name', 'title', data)


def test_shares_are_those_planned_and_those_drawn():
  drawing = _draw(cluster_shares, results_files.data())
  (axes,) = drawing.canvas.axes
  names = [label.get_text() for label in axes.get_yticklabels()]
  assert names == ['sentiment', 'nli']  # The largest first.
  bars = {
    bars.get_label(): [bar.get_width() for bar in bars]
    for bars in axes.containers
  }
  assert bars == {
    'planned share of examples': [75, 25],
    'share of examples seen': [75, 25],
    'share of tokens seen': [70, 30],
  }
  assert texts(axes) == ['210 tokens', '90 tokens']
  assert 'sentiment 75 % planned, 70 % of tokens' in drawing.alt
  assert drawing.caption.startswith('Counted over 4 steps. ')


def test_a_run_that_drew_nothing_shows_its_plan():
  cluster = {'planned_rate': 1.0, 'drawn_examples': 0, 'drawn_tokens': 0}
  drawing = _draw(cluster_shares, {'clusters': {'nli': cluster}})
  (axes,) = drawing.canvas.axes
  assert len(axes.containers) == 1


def test_lengths_are_the_counts_of_the_histograms():
  data = results_files.data()
  drawing = _draw(lengths, data)
  inputs, targets = drawing.canvas.axes
  (steps,) = inputs.patches
  assert steps.get_data().values.tolist() == data['input_lengths']['counts']
  assert steps.get_data().edges.tolist() == data['input_lengths']['edges']
  assert inputs.get_title(loc='left') == '8 inputs, 12 % cut'
  assert targets.get_title(loc='left') == '8 targets, 0 % cut'
  assert 'the median between 64 and 128 tokens' in drawing.alt


@pytest.mark.parametrize('function', [cluster_shares, lengths])
def test_without_facts_there_is_no_figure(function):
  assert _draw(function, {}) is None
