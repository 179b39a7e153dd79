"""CoQA, QuAC, WiC, TREC and CoLA on hand-written rows."""

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
    '3. Is she old?\n\nShort answers, numbered:',
    target='1. Ann\n2. it is Bea\n3. unknown',
  )


def test_coqa_has_one_reference_with_all_turns():
  # A bare string would be compared with the prediction letter by letter.
  answers = map_row(misc.COQA, None, _COQA)['answers']
  assert [a.decode() for a in answers.numpy()] == [
    '1. Ann\n2. it is Bea\n3. unknown'
  ]


def test_coqa_can_be_turned_around():
  prompt, target = render_row(misc.COQA, _COQA)[9]
  assert prompt.endswith('\n\n1. Ann\n2. it is Bea\n3. unknown')
  assert target == '1. Who rowed?\n2. Name the other one.\n3. Is she old?'


def test_quac_shows_the_section_without_its_appended_answer():
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


def test_quac_leaves_out_what_a_row_does_not_have():
  rendered = render_row(misc.QUAC, _QUAC)
  assert sorted(rendered) == [0, 1, 2, 4, 5, 7, 8, 9]


def test_quac_says_when_there_is_no_answer_and_asks_for_no_question_then():
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
def test_only_what_asks_gets_a_question_mark(text, expected):
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
def test_trec_is_untokenized(text, expected):
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
      prompt=f'Classify by what is sought.\n{text.replace(" ?", "?")}\n'
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
  # The published templates 0 and 3 are one and the same.
  assert len({t.input for t in misc.COLA.templates}) == 10
