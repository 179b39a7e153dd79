import pytest

from flan_jax.report.example_cards import cards
from flan_jax.report.sources import Evaluation
from flan_jax.report.systems import System
from tests.report import results_files as files


def _system(label, *examples):
  evaluation = Evaluation(label, {}, (), None, (), examples)
  return System(label, label, {}, (evaluation,))


def _text(predicted, gold='Paris'):
  changes = {'options': None, 'scores': None, 'written': predicted}
  return files.example('trivia_qa', 0, predicted, gold) | changes


@pytest.mark.parametrize(
  'before, after, outcome',
  [
    ('no', 'yes', 'won'),
    ('yes', 'no', 'lost'),
    ('yes', 'yes', 'unchanged'),
    ('no', 'no', 'unchanged'),
  ],
)
def test_an_option_is_won_or_lost(before, after, outcome):
  base, tuned = (
    _system(label, files.example('rte', 0, answer, 'yes'))
    for label, answer in (('base', before), ('tuned', after))
  )
  ((card,), left_out) = cards(base, tuned)
  assert (card.outcome, left_out) == (outcome, 0)
  assert [answer.model for answer in card.answers] == ['base', 'tuned']
  assert card.answers[1].shares[card.options.index(after)] > 80


@pytest.mark.parametrize(
  'before, after, outcome',
  [
    ('Rome', 'paris.', 'won'),
    ('Rome', 'Rom', 'other wording'),
    ('Rome', 'rome', 'unchanged'),
    ('Paris', 'PARIS', 'unchanged'),
  ],
)
def test_free_text_is_compared_up_to_its_looks(before, after, outcome):
  (card,), _ = cards(
    _system('base', _text(before)), _system('tuned', _text(after))
  )
  assert card.outcome == outcome and card.answers[1].shares == ()


def test_a_model_alone_is_right_or_wrong():
  found, _ = cards(None, _system('tuned', _text('Paris'), _text('x', gold='y')))
  # Both are of one row: the later one counts.
  assert [card.outcome for card in found] == ['wrong']


def test_other_rows_are_not_taken_for_the_same():
  base = _system('base', files.example('rte', 1, 'yes', 'yes'))
  (card,), _ = cards(
    base, _system('tuned', files.example('rte', 2, 'no', 'no'))
  )
  assert len(card.answers) == 1


def test_examples_that_do_not_fit_are_counted():
  examples = [
    dict(files.example(part, row, 'yes', 'yes'), prompt='é' * 5000)
    for part in ('rte', 'cb')
    for row in range(5)
  ]
  # Each takes its text, of two bytes a letter, and the markup of its options.
  found, left_out = cards(None, _system('tuned', *examples), 75_000)
  assert [card.part for card in found] == ['rte'] * 3 + ['cb'] * 3
  assert left_out == 4
  assert cards(None, _system('tuned', *examples))[1] == 0
