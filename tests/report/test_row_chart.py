"""Charts with a row for each dataset."""

import pytest

from flan_jax.report.drawing import style
from flan_jax.report.row_chart import row_chart


def test_rows_are_below_the_name_of_their_group():
  rows = [('nli', 'rte'), ('sentiment', 'sst2'), ('nli', 'cb')]
  with style():
    chart = row_chart(rows)
  ticks = chart.panels[0].get_yticks()
  texts = chart.panels[0].get_yticklabels()
  order = [t.get_text() for _, t in sorted(zip(ticks, texts, strict=True))]
  assert order == ['nli', 'rte', 'cb', 'sentiment', 'sst2']
  bold = [t.get_text() for t in texts if t.get_fontweight() == 'bold']
  assert bold == ['nli', 'sentiment']
  # Places are in the order of the rows that were given.
  rte, sst2, cb = chart.places
  assert rte < cb < sst2
  bottom, top = chart.panels[0].get_ylim()
  assert top < rte and sst2 < bottom


def test_rows_of_equal_names_have_their_own_places():
  with style():
    chart = row_chart([('a', 'mean'), ('b', 'mean')])
  assert len(set(chart.places)) == 2


def test_many_rows_make_a_tall_figure_with_long_names_cut():
  rows = [('cluster', f'{"long" * 20} {n}') for n in range(62)]
  with style():
    chart = row_chart(rows)
    few = row_chart(rows[:2])
  assert chart.canvas.get_figheight() > 5 * few.canvas.get_figheight()
  names = [t.get_text() for t in chart.panels[0].get_yticklabels()]
  assert max(map(len, names)) <= 38


def test_series_are_spread_around_the_middle_of_a_row():
  rows = [('cluster', 'first'), ('cluster', 'second')]
  with style():
    chart = row_chart(rows, series=3)
  assert chart.offsets == pytest.approx([-0.4, 0, 0.4])
  first, second = chart.places
  assert first + chart.offsets[-1] < second + chart.offsets[0]
