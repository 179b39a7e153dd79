"""How much results depend on the wording."""

import numpy as np
import pytest

from flan_jax.report.drawing import style
from flan_jax.report.systems import System, row_name
from flan_jax.report.template_strips import flips, rank_flips, template_strips
from tests.report.drawn import row_labels, texts, values
from tests.report.results_files import part


def _system(label, *parts) -> System:
  return System(label, '', {row_name(p): p for p in parts})


_BASE = _system('base', part('rte', (50.0, 60.0, 70.0)), part('cb', (40.0,)))
_TUNED = _system('tuned', part('rte', (55.0, 58.0, 90.0)), part('cb', (40.0,)))


def test_each_template_has_a_tick_and_their_mean_a_marker():
  with style():
    drawing = template_strips('name', (_BASE, _TUNED))
  axes = drawing.canvas.axes[0]
  assert values(axes, 'base') == [60.0, 40.0]
  ticks = [
    {x for x in line.get_xdata() if not np.isnan(x)}
    for line in axes.get_lines()
    if len(line.get_xdata()) > 2
  ]
  assert ticks == [{50.0, 60.0, 70.0, 40.0}, {55.0, 58.0, 90.0, 40.0}]
  assert 'base: the best and the worst template differ by 10.0' in drawing.alt
  assert 'at most by 35.0 on rte' in drawing.alt


def test_a_template_that_orders_models_against_their_means_is_a_flip():
  values_, count = flips(_BASE.parts['rte'], _TUNED.parts['rte'])
  assert values_ == [5.0, -2.0, 20.0]
  assert count == 1


def test_where_less_is_better_the_order_is_turned():
  first, second = part('fix_punct', (5.0, 2.0)), part('fix_punct', (1.0, 3.0))
  assert flips(first, second) == ([4.0, -1.0], 1)


def test_only_templates_of_both_models_are_compared():
  first, second = part('rte', (10.0, 20.0)), part('rte', (30.0,))
  assert flips(first, second) == ([20.0], 0)


def test_differences_are_drawn_and_flips_are_counted():
  with style():
    drawing = rank_flips('name', _BASE, _TUNED)
  axes = drawing.canvas.axes[0]
  assert row_labels(drawing) == ['nli', 'rte', 'cb']
  assert values(axes, 'base is better') == [-2.0]
  assert values(axes, 'tuned is better') == [5.0, 20.0]
  assert values(axes, 'equal') == [0.0]
  assert texts(axes) == ['1 of 3', '0 of 1']
  assert 'Under 1 of 4 templates' in drawing.alt
  assert 'on 1 of 2 datasets' in drawing.alt


@pytest.mark.parametrize(
  'other', [_system('x'), _system('x', part('sst2', (1.0,)))]
)
def test_models_without_a_common_dataset_are_not_compared(other):
  with style():
    assert rank_flips('name', _BASE, other) is None
