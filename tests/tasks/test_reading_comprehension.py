"""Prompts of hand-written rows of the reading comprehension datasets."""

import json

from flan_jax.tasks import reading_comprehension
import numpy as np
import pytest

from flan_jax.definitions import registry
from flan_jax.definitions.dataset import evaluated
from flan_jax.rendering.templates import map_row
from flan_jax.sources import tfds_import
from flan_jax.testing.declarations import assert_dataset, render_row

registry.load()

_MULTIRC_CLASSES = ('False', 'True')


def _boolq(question, answer, passage="The pier is open. It costs ``nothing''."):
  return {
    'question': question,
    'passage': passage,
    'answer': answer,
    'title': 'Pier',
  }


def _drop(question, answer, others=(), passage='Alba won in 1901 and 1904 .'):
  return {
    'passage': passage,
    'question': question,
    'answer': answer,
    'validated_answers': np.array(others, dtype=object),
    'query_id': '0',
  }


def _multirc(answer, label, question='Who was on the hill'):
  return {
    'paragraph': '<b>Sent 1: </b>Ann and Bo climbed the hill .<br>'
    "<b>Sent 2: </b>Cy did n't come .<br>",
    'question': question,
    'answer': answer,
    'label': label,
    'idx': {'paragraph': 0, 'question': 0, 'answer': 0},
  }


def _openbookqa(stem, key, choices=('ice', 'steam', 'oil', 'sand')):
  letters = zip('ABCD', choices, strict=True)
  return {
    'question': {
      'stem': stem,
      **{f'choice_{letter}': choice for letter, choice in letters},
    },
    'fact1': "heat turns a kettle 's water into steam , a gas.",
    'humanScore': 1.0,
    'clarity': 1.0,
    'turkIdAnonymized': 'a',
    'answerKey': key,
  }


def _squad(question, answers, title='Old_Mill'):
  return {
    'id': '0',
    'title': title,
    'context': 'The mill was built in  1802 by Ida\u00a0Roe.',
    'question': question,
    'answers': {'text': np.array(answers, dtype=object)},
  }


def _part(name):
  return registry.find_part(name)[1]


def _mini(name):
  text = (tfds_import.mini_corpus() / f'{name}.jsonl').read_text('utf-8')
  return [json.loads(line) for line in text.splitlines()]


# Part, row, template, prompt, target.
_CASES = [
  *(
    (
      'bool_q',
      _boolq(question, answer),
      1,
      'Passage: The pier is open. It costs "nothing".\n'
      f'Question: {question}?\nAnswer:\nOptions:\n- yes\n- no',
      'yes' if answer else 'no',
    )
    for question, answer in (
      ('is the pier closed', False),
      ('do you pay for the pier', False),
      ('does entry to the pier cost money', False),
      ('is the pier open', True),
      ('can the pier be visited', True),
      ('is the pier free', True),
    )
  ),
  *(
    (
      'multirc',
      _multirc(answer, label),
      1,
      "Paragraph: Ann and Bo climbed the hill. Cy didn't come.\n"
      f'Question: Who was on the hill?\nProposed answer: {answer}\nCorrect:\n'
      'Options:\n- yes\n- no',
      'yes' if label else 'no',
    )
    for answer, label in (
      ('Cy', 0),
      ('Nobody', 0),
      ('Ann and Cy', 0),
      ('Ann', 1),
      ('Bo', 1),
      ('Bo and Ann', 1),
    )
  ),
  (
    'drop',
    _drop('How many wins had Alba', '2'),
    1,
    'Record: Alba won in 1901 and 1904.\nQuery: How many wins had Alba?\n'
    'Result:',
    '2',
  ),
  (
    'drop',
    _drop('When was the last win?', '1904-May-6', ['1904', '6 May 1904']),
    4,
    'When was the last win?\n\nThese paragraphs will help: Alba won in 1901 '
    'and 1904.',
    '6 May 1904',
  ),
  (
    'openbookqa',
    _openbookqa('A boiling kettle gives off', 1),
    0,
    "Keep this in mind: heat turns a kettle's water into steam, a gas\n\n"
    'A boiling kettle gives off\nOptions:\n- ice\n- steam\n- oil\n- sand',
    'steam',
  ),
  (
    'openbookqa',
    _openbookqa('Which is a gas?', 3, ('ice', 'oil', 'sand', ' steam ')),
    2,
    'Which is a gas?\n\n'
    "Hint: heat turns a kettle's water into steam, a gas\n\n"
    'Options:\n- ice\n- oil\n- sand\n- steam',
    'steam',
  ),
  (
    'squad_v1',
    _squad('When was it built', ['in 1802', '1802']),
    1,
    'Article: Old Mill\nExcerpt: The mill was built in 1802 by Ida Roe.\n'
    'Question: When was it built?\nAnswer:',
    'in 1802',
  ),
  (
    'squad_v1',
    _squad('Who built it?', ['Ida\u00a0Roe'], title=''),
    0,
    'The mill was built in 1802 by Ida Roe.\n\nWho built it?\n'
    'Copy the answer out of the text.',
    'Ida Roe',
  ),
  (
    'squad_v2',
    _squad('Who built it?', ['Ida Roe']),
    1,
    'Topic: Old Mill\nText: The mill was built in 1802 by Ida Roe.\n'
    'Question: Who built it?\n'
    'Answer from the text, or else "unanswerable":',
    'Ida Roe',
  ),
  (
    'squad_v2',
    _squad('Who bought it?', []),
    5,
    'Is this answered below? Who bought it? If so, quote the answer; if not, '
    'put "unanswerable".\n\n"The mill was built in 1802 by Ida Roe."',
    'unanswerable',
  ),
]


@pytest.mark.parametrize('name, row, template, prompt, target', _CASES)
def test_row(name, row, template, prompt, target):
  names = _MULTIRC_CLASSES if name == 'multirc' else None
  assert_dataset(name, row, template, prompt, target, class_names=names)


def test_squad_v2_inverted_templates_skip_unanswerable_questions():
  """Without an answer there is no question to ask for."""
  part = _part('squad_v2')
  rendered = render_row(part, _squad('Who bought it?', []))
  assert set(rendered) == set(evaluated(part.templates))
  for prompt, target in rendered.values():
    assert '"unanswerable"' in prompt
    assert target == 'unanswerable'
  answerable = render_row(part, _squad('Who built it?', ['Ida Roe']))
  assert set(answerable) - set(rendered)


def test_only_squad_v2_offers_no_answer():
  for template in _part('squad_v1').templates:
    assert 'unanswerable' not in template.input


def test_multirc_items_are_questions_not_candidates():
  """Exact match by question needs all candidates of a question."""
  part = _part('multirc')
  assert part.item_key == ('passage', 'question')
  rows = _mini('multirc')
  items = {}
  for row in rows:
    fields = map_row(part, _MULTIRC_CLASSES, row)
    key = tuple(fields[name].numpy() for name in part.item_key)
    place = (row['_split'], row['idx']['paragraph'], row['idx']['question'])
    assert items.setdefault(key, place) == place
  assert len(items) < len(rows)
  assert len(set(items.values())) == len(items)


def test_multirc_idx_counts_answers():
  """The published code sets `answer` to the number of the question."""
  for split in ('train', 'validation'):
    numbers = [
      row['idx']['answer'] for row in _mini('multirc') if row['_split'] == split
    ]
    assert numbers == list(range(len(numbers)))


def test_drop_accepts_every_annotator_and_drops_rows_without_answer():
  part = _part('drop')
  row = _drop('Who won?', '', ['Alba', 'alba', '', 'Alba'])
  assert part.answers(row).numpy().tolist() == [b'Alba', b'alba']
  assert part.keep(row)
  assert not part.keep(_drop('In which month?', '', ['']))


@pytest.mark.parametrize(
  'answer, shown',
  [
    ('1904-May-6', '6 May 1904'),
    ('-May-14', '14 May'),
    ('10-12-9', '10-12-9'),
    ('40-yard', '40-yard'),
    ('Fort&#233; &#38; &# Co', 'Forté & &# Co'),
  ],
)
def test_drop_answers_are_in_ordinary_spelling(answer, shown):
  answers = _part('drop').answers(_drop('Which?', answer))
  assert [text.decode() for text in answers.numpy()] == [shown]


def test_openbookqa_drops_rows_with_repeated_choices():
  part = _part('openbookqa')
  assert part.keep(_openbookqa('It gives off', 0))
  assert not part.keep(_openbookqa('It gives off', 0, ['a', 'b ', 'b', 'c']))


@pytest.mark.parametrize(
  'raw, shown',
  [
    ('Who came', 'Who came?'),
    ('Who came.', 'Who came?'),
    ('Who came/', 'Who came?'),
    ('Who came??', 'Who came?'),
    ('Who is "the goat?"', 'Who is "the goat"?'),
    ('Name two guests.', 'Name two guests.'),
    ('Who came? Explain.', 'Who came? Explain.'),
  ],
)
def test_questions_have_one_question_mark_and_requests_none(raw, shown):
  row = _multirc('Ann', 1, question=raw)
  field = reading_comprehension.MULTIRC.fields['question']
  assert field(row).numpy().decode() == shown
