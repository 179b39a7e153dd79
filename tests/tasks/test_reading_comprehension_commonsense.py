"""Prompts of reading comprehension with commonsense, and published defects."""

from flan_jax.tasks import reading_comprehension_commonsense as cluster
import pytest

from flan_jax.definitions import registry
from flan_jax.testing.declarations import assert_dataset, render_row

registry.load()


def _story(label, *answers):
  return {
    'context': 'It rained . We did n\'t go out , and Ann said , " Fine ! "',
    'question': 'Why did we stay in ..',
    **{f'answer{i}': text for i, text in enumerate(answers)},
    'label': label,
  }


_ANSWERS = (
  'It was wet .',
  'Ann was ill .',
  'None of the above choices .',
  'We had guests .',
)


def _news(entities, answers):
  return {
    'passage': 'Ann Moe opened a bakery in Riva.\n@highlight\nShop in Riva'
    '\n@highlight\nFirst customer was Bo Lind',
    'query': 'On Monday @placeholder sold 200 rolls.',
    'entities': entities,
    'answers': answers,
  }


@pytest.mark.parametrize(
  'label, target',
  [(0, 'It was wet.'), (1, 'Ann was ill.'), (2, 'None of the above choices.')],
)
def test_cosmos_qa(label, target):
  assert_dataset(
    'cosmos_qa',
    _story(label, *_ANSWERS),
    template=1,
    prompt='It rained. We didn\'t go out, and Ann said, "Fine!"\n\n'
    'Why did we stay in?\n'
    'Options:\n'
    '- It was wet.\n'
    '- Ann was ill.\n'
    '- None of the above choices.\n'
    '- We had guests.',
    target=target,
  )


def test_cosmos_qa_shows_a_repeated_answer_once():
  row = _story(2, 'It was wet.', 'No.', 'It was  wet .', '')
  prompt, target = render_row(cluster.COSMOS_QA, row)[1]
  assert prompt.endswith('Options:\n- It was wet.\n- No.')
  assert target == 'It was wet.'


@pytest.mark.parametrize('label, asked', [(0, True), (2, False)])
def test_cosmos_qa_inverted_template_needs_an_answer_in_the_text(label, asked):
  rendered = render_row(cluster.COSMOS_QA, _story(label, *_ANSWERS))
  assert (9 in rendered) == asked


@pytest.mark.parametrize('label, kept', [(0, True), (3, True), (-1, False)])
def test_cosmos_qa_drops_rows_without_label(label, kept):
  """The published filter tested the feature's name and dropped nothing."""
  assert bool(cluster.COSMOS_QA.keep({'label': label})) == kept


@pytest.mark.parametrize(
  'raw, clean',
  [
    ("i ' m late , I ' ve lost it", "i'm late, I've lost it"),
    ('so ( he said ! ) we left', 'so (he said!) we left'),
    ('check e - mail for $ 20 - 28', 'check e-mail for $20-28'),
    ('this or that - who knows', 'this or that - who knows'),
    ('" Go ! " and " Stop . "', '"Go!" and "Stop."'),
    ('that \'s it . " Then we left', 'that\'s it. " Then we left'),
    ('well ... the end ....', 'well... the end....'),
  ],
)
def test_cosmos_qa_text_is_natural(raw, clean):
  function = cluster.COSMOS_QA.fields['context']
  assert function({'context': raw}).numpy().decode() == clean


def test_record():
  assert_dataset(
    'record',
    _news(['Ann Moe', 'Bo Lind', 'Moe', 'Riva'], ['Ann Moe', 'Moe']),
    template=6,
    prompt='Ann Moe opened a bakery in Riva.\n'
    '* Shop in Riva\n'
    '* First customer was Bo Lind\n'
    '\n'
    'On Monday ____ sold 200 rolls.\n'
    '\n'
    '____ =\n'
    'Options:\n'
    '- Ann Moe\n'
    '- Bo Lind\n'
    '- Moe\n'
    '- Riva',
    target='Ann Moe',
  )


def test_record_with_an_answer_from_a_highlight():
  """The published code cut off the highlights, and with them some answers."""
  row = _news(['Ann Moe', 'Bo Lind'], ['Bo Lind'])
  prompt, target = render_row(cluster.RECORD, row)[1]
  assert 'First customer was Bo Lind\n' in prompt
  assert target == 'Bo Lind'


def test_record_accepts_every_spelling_among_the_entities():
  row = _news(['Moe', ' Moe', '', 'Riva', 'Ann\nMoe'], ['Ann Moe', 'Moe', 'Xu'])
  assert cluster.RECORD.options(row).numpy().tolist() == [
    b'Moe',
    b'Riva',
    b'Ann Moe',
  ]
  assert cluster.RECORD.correct(row).numpy().tolist() == [True, False, True]


@pytest.mark.parametrize('answers, kept', [(['Riva'], True), (['Xu'], False)])
def test_record_drops_rows_without_a_right_entity(answers, kept):
  row = _news(['Ann Moe', 'Riva'], answers)
  assert bool(cluster.RECORD.keep(row)) == kept
