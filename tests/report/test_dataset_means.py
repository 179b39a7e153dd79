"""Results by dataset: what is drawn is what was measured."""

import pytest

from flan_jax.report.dataset_means import dataset_means, valid_answers
from flan_jax.report.drawing import style
from flan_jax.report.systems import System, row_name
from flan_jax.studies import paper
from tests.report.drawn import hollow, points, row_labels, values
from tests.report.results_files import changed, part


def system(label, *parts) -> System:
  return System(label, '', {row_name(p): p for p in parts})


def _draw(*systems, function=dataset_means):
  with style():
    return function('name', systems)


_ANLI = part('anli_r1', (50.0, 60.0), interval=(48.0, 61.0))
_RTE = part('rte', (70.0,), interval=None)
_WEB = part('web_nlg_en', (30.0,), majority_rate=None)


@pytest.fixture(scope='module')
def drawing():
  tuned = [changed(_ANLI, mean=65.0), changed(_RTE, mean=60.0), _WEB]
  return _draw(system('base', _ANLI, _RTE), system('tuned', *tuned))


def test_means_are_drawn_with_the_rows_they_belong_to(drawing):
  axes = drawing.canvas.axes[0]
  assert values(axes, 'base') == [55.0, 70.0]
  assert values(axes, 'tuned') == [65.0, 60.0, 30.0]
  assert row_labels(drawing) == [
    *('nli', 'anli_r1', 'rte', 'struct_to_text', 'web_nlg_en, rouge1')
  ]
  ticks = dict(zip(row_labels(drawing), axes.get_yticks(), strict=True))
  for (_, y), row in zip(points(axes, 'base'), ('anli_r1', 'rte'), strict=True):
    assert abs(y - ticks[row]) < 0.5


def test_lines_are_the_intervals(drawing):
  bars = drawing.canvas.axes[0].containers[0].lines[2][0]
  # RTE has no interval.
  (line,) = [line for line in bars.get_segments() if len(line)]
  assert line[:, 0].tolist() == [48.0, 61.0]


def test_the_papers_values_are_drawn_hollow_if_recalled(drawing):
  axes = drawing.canvas.axes[0]
  quoted, recalled = (
    paper.find(name, paper.FLAN, 'zero_shot_mean')
    for name in ('anli_r1', 'rte')
  )
  assert quoted.provenance == 'quoted' and recalled.provenance == 'recalled'
  assert quoted.value in values(axes, 'paper')
  assert recalled.value in values(axes, 'paper, recalled')
  assert hollow(axes, 'paper') == {False}
  assert hollow(axes, 'paper, recalled') == {True}


def test_the_share_of_the_most_frequent_answer_is_marked(drawing):
  axes = drawing.canvas.axes[0]
  assert values(axes, 'most frequent answer') == [50.0, 50.0]


@pytest.mark.parametrize(
  'values_',
  [
    {'adapted': {'test': 'a'}},
    {'shots': 5},
    {'format': 'plain'},
    {'metric': 'macro_f1'},
    {'template_set': 'mine'},
  ],
)
def test_other_protocols_do_not_stand_beside_the_paper(values_):
  drawing = _draw(system('base', changed(_ANLI, **values_)))
  assert not values(drawing.canvas.axes[0], 'paper')


def test_some_of_the_recorded_rows_may_stand_beside_the_paper():
  drawing = _draw(system('base', changed(_ANLI, max_rows=4, rows=4)))
  assert values(drawing.canvas.axes[0], 'paper')
  assert 'at most 4' in drawing.caption


def test_the_alternative_text_has_the_main_numbers(drawing):
  assert '3 datasets' in drawing.alt
  assert 'base 62.5' in drawing.alt
  assert 'tuned is above base on 1 of 2 datasets' in drawing.alt


def test_metrics_of_which_less_is_better_are_named():
  drawing = _draw(system('base', part('fix_punct', (3.0,))))
  assert 'Less is better for word_edit_distance' in drawing.caption


def test_shares_of_valid_answers_are_drawn_for_what_was_written():
  wrote = {'valid_options': 90.0, 'accuracy': 40.0}
  base = changed(_ANLI, written={'valid_options': 10.0, 'accuracy': 5.0})
  drawing = _draw(
    system('base', base, _RTE),
    system('tuned', changed(_ANLI, written=wrote), _WEB),
    function=valid_answers,
  )
  valid, right = drawing.canvas.axes
  assert row_labels(drawing) == ['nli', 'anli_r1']
  assert (values(valid, 'base'), values(valid, 'tuned')) == ([10.0], [90.0])
  assert (values(right, 'base'), values(right, 'tuned')) == ([5.0], [40.0])
  assert 'base 10 %, tuned 90 %' in drawing.alt


def test_without_results_there_is_no_figure():
  assert _draw() is None
  assert _draw(system('base', _RTE), function=valid_answers) is None
