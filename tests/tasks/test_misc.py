"""Prompts of hand-written rows of CoQA, QuAC, WiC, TREC and CoLA."""

from flan_jax.tasks import misc
import pytest

from flan_jax.definitions import registry
from flan_jax.rendering.templates import map_row
from flan_jax.testing.declarations import assert_dataset, render_row
from tests.tasks.tfds_features import class_names

registry.load()

_COQA = {
  'story': 'Ann rowed to the isle. \n\nBea stayed  at home.',
  'questions': ['Who rowed', 'Name the other one.', 'Is she old? '],
  'answers': {'input_text': ['Ann', 'it is  Bea', 'unknown']},
}
_QUAC = {
  'title': 'Ann Moe',
  'section_title': 'Youth',
  'background': '',
  'context': 'Moe was born in Riva. She had a mule. CANNOTANSWER',
  'question': 'where was she born',
  'orig_answer': {'text': 'born in Riva.'},
  'answers': {'text': ['in Riva.', 'born in Riva.', 'in Riva.']},
}


def test_coqa_numbers_questions_and_replies():
  assert_dataset(
    'coqa',
    _COQA,
    template=5,
    prompt='Story:\nAnn rowed to the isle.\nBea stayed at home.\n\n'
    'Interview about the story:\n1. Who rowed?\n2. Name the other one.\n'
    '3. Is she old?\n\nShort answers, numbered, with "unknown" for what the '
    'story does not say:',
    target='1. Ann\n2. it is Bea\n3. unknown',
  )


def test_coqa_has_one_reference_with_all_turns():
  # The metric would iterate over the characters of a bare string.
  answers = map_row(misc.COQA, None, _COQA)['answers']
  assert [a.decode() for a in answers.numpy()] == [
    '1. Ann\n2. it is Bea\n3. unknown'
  ]


def test_coqa_inverted_template_asks_for_the_questions():
  prompt, target = render_row(misc.COQA, _COQA)[9]
  assert prompt.endswith('\n\n1. Ann\n2. it is Bea\n3. unknown')
  assert target == '1. Who rowed?\n2. Name the other one.\n3. Is she old?'


def test_every_coqa_template_says_how_to_answer_without_an_answer():
  for template in misc.COQA.templates:
    assert template.inverted != ('"unknown"' in template.input)


def test_quac_shows_the_section_without_the_appended_placeholder():
  assert_dataset(
    'quac',
    _QUAC,
    template=0,
    prompt='Moe was born in Riva. She had a mule.\n\nwhere was she born?\n'
    'Answer in words taken from the text, or with CANNOTANSWER if the answer '
    'is not there.',
    target='born in Riva.',
  )


def test_quac_accepts_every_distinct_answer_and_trains_on_the_first():
  answers = map_row(misc.QUAC, None, _QUAC)['answers'].numpy()
  assert answers.tolist() == [b'born in Riva.', b'in Riva.']


def test_quac_skips_templates_whose_fields_are_empty():
  rendered = render_row(misc.QUAC, _QUAC)
  assert sorted(rendered) == [0, 1, 2, 4, 5, 7, 8, 9]


def test_quac_without_an_answer_has_no_inverted_template():
  none = 'CANNOTANSWER'
  row = {
    **_QUAC,
    'question': 'Was she rich?',
    'orig_answer': {'text': none},
    'answers': {'text': [none, none]},
  }
  rendered = render_row(misc.QUAC, row)
  assert 9 not in rendered
  for prompt, target in rendered.values():
    assert target == none
    assert prompt.count(none) == 1


@pytest.mark.parametrize(
  'text, expected',
  [
    ('Who came/', 'Who came?'),
    ('Who came ??', 'Who came?'),
    ('True or False: she came.', 'True or False: she came.'),
    ('Where to live:', 'Where to live:'),
    ('What is meant by "came"', 'What is meant by "came"?'),
  ],
)
def test_only_questions_get_a_question_mark(text, expected):
  question = misc.QUAC.fields['question']({'question': text})
  assert question.numpy().decode() == expected


@pytest.mark.parametrize(
  'text, expected',
  [
    ("What 's Ann 's `` Rain '' about ?", 'What\'s Ann\'s "Rain" about?'),
    ("Why can 't pigs fly ?", "Why can't pigs fly?"),
    ('Name a lake .', 'Name a lake.'),
  ],
)
def test_trec_tokenization_is_undone(text, expected):
  question = misc.TREC.fields['question']({'text': text})
  assert question.numpy().decode() == expected


@pytest.mark.parametrize(
  'word, sentence1, sentence2, target',
  [
    ('bank', 'They sat on the bank.', 'The bank lent us money.', 'no'),
    ('seal', 'A seal swam by.', 'He broke the seal of the letter.', 'no'),
    ('ring', 'The phone rang.', 'She wore a ring.', 'no'),
    ('dog', 'A dog barked.', 'They own two dogs.', 'yes'),
    ('boil', 'Boil the eggs.', 'He boiled some water.', 'yes'),
    ('cheap', 'The shoes were cheap.', 'I need a cheap room.', 'yes'),
  ],
)
def test_wic(word, sentence1, sentence2, target):
  row = {
    'word': word,
    'sentence1': sentence1,
    'sentence2': sentence2,
    'label': ('no', 'yes').index(target),
  }
  names = class_names('super_glue/wic:1.0.2', 'label')
  prompt = (
    f'Word: {word}\nUse A: {sentence1}\nUse B: {sentence2}\nSame sense:\n'
    'Options:\n- no\n- yes'
  )
  assert_dataset('wic', row, 2, prompt, target, class_names=names)
  inverted = {8, 9} & set(render_row(misc.WIC, row, names))
  assert inverted == {{'yes': 8, 'no': 9}[target]}


@pytest.mark.parametrize(
  'class_name, target, texts',
  [
    (
      'DESC',
      'description',
      ['What is a lute ?', 'Why is ice cold ?', 'How do you peel an egg ?'],
    ),
    (
      'ENTY',
      'entity',
      [
        'What bird cannot fly ?',
        'What color is jade ?',
        'What food has gluten ?',
      ],
    ),
    (
      'ABBR',
      'abbreviation',
      [
        'What does DNA stand for ?',
        'What is short for doctor ?',
        'What is PS ?',
      ],
    ),
    (
      'HUM',
      'person or group',
      ['Who wrote it ?', 'What firm makes tires ?', 'Who was first ?'],
    ),
    (
      'NUM',
      'number or date',
      ['How many are left ?', 'When did it end ?', 'How tall is it ?'],
    ),
    (
      'LOC',
      'location',
      ['Where is Riva ?', 'What river is longest ?', 'What city is it in ?'],
    ),
  ],
)
def test_trec(class_name, target, texts):
  names = class_names('trec:1.0.0', 'label-coarse')
  for text in texts:
    assert_dataset(
      'trec',
      {'text': text, 'label-coarse': names.index(class_name)},
      template=8,
      prompt='Classify the question by what it asks for.\n'
      f'{text.replace(" ?", "?")}\n'
      'Options:\n- description\n- entity\n- abbreviation\n- person or group\n'
      '- number or date\n- location',
      target=target,
      class_names=names,
    )


@pytest.mark.parametrize(
  'class_name, sentences',
  [
    ('acceptable', ['He left.', 'Who is it?', 'The tea was drunk.']),
    ('unacceptable', ['He leave.', 'Who it is?', 'The tea drunk was by.']),
  ],
)
def test_cola(class_name, sentences):
  names = class_names('glue/cola:2.0.0', 'label')
  for sentence in sentences:
    assert_dataset(
      'cola',
      {'sentence': sentence, 'label': names.index(class_name)},
      template=2,
      prompt=f'Sentence: {sentence}\nGrammar:\n'
      'Options:\n- unacceptable\n- acceptable',
      target=class_name,
      class_names=names,
    )
  # The published templates 0 and 3 are identical.
  assert len({t.input for t in misc.COLA.templates}) == 10
