"""Prompts and answers of closed-book QA, and defects of the published code."""

from flan_jax.tasks import closed_book_qa
import pytest
import tensorflow as tf

from flan_jax.definitions import registry
from flan_jax.testing.declarations import assert_dataset, render_row

registry.load()


def _item(*texts, key=0, labels=None):
  labels = list(range(len(texts))) if labels is None else labels
  return {
    'question': 'Dew forms when air',
    'choices': {'text': list(texts), 'label': labels},
    'answerKey': key,
  }


def _trivia(question, value, *aliases):
  return {
    'question': question,
    'answer': {
      'value': value,
      'aliases': list(aliases),
      'normalized_value': value.lower(),
    },
  }


def _answers(function, row):
  return [answer.decode() for answer in function(row).numpy()]


@pytest.mark.parametrize('part', ['arc_challenge', 'arc_easy'])
@pytest.mark.parametrize('key, target', [(0, 'cools.'), (2, 'is dry.')])
def test_arc(part, key, target):
  assert_dataset(
    part,
    _item('cools.', 'warms up.', 'is dry.', key=key),
    template=1,
    prompt='Dew forms when air\n\nOptions:\n- cools.\n- warms up.\n- is dry.',
    target=target,
  )


def test_arc_inverted_template_asks_for_the_question():
  part = registry.find_part('arc_easy')[1]
  prompt, target = render_row(part, _item('cools.', 'is dry.'))[9]
  assert prompt.endswith('its correct answer or ending: cools.')
  assert target == 'Dew forms when air'


def test_arc_finds_the_key_by_its_label():
  """The key is a label, not a position."""
  row = _item('cools.', 'warms up.', 'is dry.', key=3, labels=[1, 3, 0])
  part = registry.find_part('arc_challenge')[1]
  assert render_row(part, row)[1][1] == 'warms up.'


@pytest.mark.parametrize(
  'texts, key, kept',
  [
    (('a', 'b', 'c'), 1, True),
    (('a', 'b', 'c', 'd', 'e'), 4, True),
    (('a',), 0, False),
    (('a', 'a'), 0, False),
    (('a', 'b'), 4, False),
  ],
)
def test_arc_keeps_every_item_with_two_choices_or_more(texts, key, kept):
  """The published code dropped all items without exactly four choices."""
  row = tf.nest.map_structure(tf.constant, _item(*texts, key=key))
  assert bool(closed_book_qa.ARC.keep(row)) == kept


def test_natural_questions():
  assert_dataset(
    'natural_questions',
    {'question': 'who wrote hamlet', 'answer': ['Shakespeare', 'The Bard']},
    template=1,
    prompt='Question: who wrote hamlet?\nAnswer:',
    target='Shakespeare',
  )


def test_natural_questions_keep_digits_and_end_in_one_question_mark():
  """The published code doubled the mark and emptied answers of digits."""
  assert_dataset(
    'natural_questions',
    {'question': 'when did the war end ?', 'answer': ['1945']},
    template=2,
    prompt='Do you happen to know this?\nwhen did the war end?',
    target='1945',
  )


def test_natural_questions_answers_are_tidy_and_distinct():
  row = {'answer': ['May\u00a01,\u00a02018', 'May 1, 2018', ' ', 'May 2018']}
  function = closed_book_qa.NATURAL_QUESTIONS.answers
  assert _answers(function, row) == ['May 1, 2018', 'May 2018']


def test_trivia_qa_trains_on_the_value_as_published():
  """The published code trained on the lower-cased, stripped value."""
  assert_dataset(
    'trivia_qa',
    _trivia('Who painted "Guernica"?', 'Pablo Picasso', 'Picasso'),
    template=3,
    prompt='Card\nFront: Who painted "Guernica"?\nBack:',
    target='Pablo Picasso',
  )


def test_trivia_qa_accepts_aliases():
  row = _trivia('', 'Mars', 'Planet Mars', 'Mars', '"The ""Red"" Planet"')
  assert _answers(closed_book_qa.TRIVIA_QA.answers, row) == [
    'Mars',
    'Planet Mars',
    'The "Red" Planet',
  ]


@pytest.mark.parametrize(
  'raw, clean',
  [
    ('What is a young swan called', 'What is a young swan called?'),
    ('In which year was the fire.', 'In which year was the fire?'),
    ('Which lake is deepest ? ?', 'Which lake is deepest?'),
    ('"Who said ""I came""?"', 'Who said "I came"?'),
    ('Which is it? (Two words)', 'Which is it? (Two words)'),
    ('Name the largest lake.', 'Name the largest lake.'),
    ('A cygnet is the young of', 'A cygnet is the young of'),
  ],
)
def test_trivia_qa_question_ends_in_one_question_mark(raw, clean):
  function = closed_book_qa.TRIVIA_QA.fields['question']
  assert function({'question': raw}).numpy().decode() == clean


@pytest.mark.parametrize(
  'value, kept', [('Mars', True), ('<unk>', False), (' ', False)]
)
def test_trivia_qa_drops_rows_without_answer(value, kept):
  """The published filter tested the feature's name and dropped nothing."""
  keep = closed_book_qa.TRIVIA_QA.keep
  assert bool(keep(_trivia('Which planet?', value))) == kept
