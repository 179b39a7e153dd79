"""Field functions shared by several clusters."""

from flan_jax.tasks import fields, misc, summarization
import pytest
import tensorflow as tf

from flan_jax.definitions import registry
from flan_jax.rendering.templates import map_row
from flan_jax.testing.declarations import render_row

registry.load()


def _text(tensor):
  return tensor.numpy().decode()


@pytest.mark.parametrize(
  'raw, tidy',
  [
    ('  two  spaces\tand\na line ', 'two spaces and a line'),
    ('1,300\u00a0m, 20\u2009%', '1,300 m, 20%'),
    ('\u0637\u200e \u200e "T"\ufeff', '\u0637 "T"'),
    (
      'the Monu\u00adment, the Mon?\u00adu?\u00adment',
      'the Monument, the Monument',
    ),
    ('AT&amp;T &lt;3 &quot;x&quot; &#39;y&#39;', 'AT&T <3 "x" \'y\''),
    ('R&amp;amp;D &amp;lt;3', 'R&D <3'),
    (
      'the couple\x97a \x93block\x94 vassals\u00e2\x80\x99',
      'the couple—a "block" vassals\'',
    ),
    # Joined emoji stay joined.
    ('\U0001f469\u200d\u2764', '\U0001f469\u200d\u2764'),
  ],
)
def test_tidy_leaves_plain_characters_and_single_spaces(raw, tidy):
  assert _text(fields.tidy(raw)) == tidy


@pytest.mark.parametrize(
  'raw, tidy',
  [
    (
      'In Ventura County , it rose ( again ) to $ 6.6 million , or 60 % .',
      'In Ventura County, it rose (again) to $6.6 million, or 60%.',
    ),
    (
      "`` Well , '' he said , `` I 'll go ''",
      '"Well," he said, "I\'ll go"',
    ),
    ('" I don \'t , " said Ann . " Go ! "', '"I don\'t," said Ann. "Go!"'),
    ("a \" major player ' ' who ca n't", 'a "major player" who can\'t'),
    ("in `` Last Son '' , `` Zod `` .", 'in "Last Son", "Zod".'),
    (
      "snipes ' iconic role -lrb- horror\\/action -rrb- , 2 : 0",
      "snipes' iconic role (horror/action), 2:0",
    ),
    # A mark without a partner.
    ('Rice said : " This is it .', 'Rice said: "This is it.'),
    ('We were glad , " he said .', 'We were glad," he said.'),
    ('It was late . "', 'It was late."'),
    ('Wait . . . Next ! .', 'Wait ... Next!'),
  ],
)
def test_tidy_undoes_tokenization(raw, tidy):
  assert _text(fields.tidy(raw)) == tidy
  assert _text(fields.tidy(tidy)) == tidy


@pytest.mark.parametrize(
  'text',
  [
    'He wrote "a" and "b" :) and left 5" of \'rock\' :(',
    "The letters 's' and 'd' of 're-education ... or",
    'Ann: !!',
    'Solve -3*x + 6 = 0 for x.',
    'She said, "',
  ],
)
def test_tidy_leaves_other_text_alone(text):
  assert _text(fields.tidy(text)) == text


def test_tidy_lines_keeps_lines():
  raw = " Ann :  hi \r\n\n  Bo : `` yes '' \n"
  assert _text(fields.tidy_lines(raw)) == 'Ann: hi\nBo: "yes"'


def test_clean_leaves_the_punctuation_of_other_languages_alone():
  raw = ' « Qui\u00a0? »  dem\u00adain , '
  assert _text(fields.clean(raw)) == '« Qui ? » demain ,'


def test_tidy_takes_any_shape():
  assert fields.tidy([]).numpy().tolist() == []
  texts = tf.constant([['a , b'], ['c&amp;d']])
  assert fields.tidy(texts).numpy().tolist() == [[b'a, b'], [b'c&d']]


# Raw features of one text each, with what was left in it once.
_ROWS = [
  ('glue_mrpc', {'sentence1': 'It fell , he said .', 'sentence2': 'x'}),
  ('paws_wiki', {'sentence1': "`` Zod '' fell .", 'sentence2': 'x'}),
  ('sst2', {'sentence': "a creepy , `` radical '' film "}),
  ('yelp_polarity_reviews', {'text': 'Great!!  \\"Wet\\" \\n\\nNice. '}),
  ('sentiment140', {'text': 'Barbara &amp; Sherri &lt;3', 'polarity': 4}),
  ('anli_r1', {'context': '3\u00a0m \u200e', 'hypothesis': 'x  y '}),
  ('mnli', {'premise': 'Monu\u00adment. ', 'hypothesis': ' x'}),
  ('snli', {'premise': 'A  man . ', 'hypothesis': ' x'}),
  ('qnli', {'sentence': "the single, \"Vu''", 'question': 'Why  ?'}),
  ('wnli', {'sentence1': 'Ann slept , too.', 'sentence2': ' x'}),
]


@pytest.mark.parametrize('name, row', _ROWS, ids=[name for name, _ in _ROWS])
def test_fields_of_all_datasets_are_tidied(name, row):
  part = registry.find_part(name)[1]
  for field, function in part.fields.items():
    assert callable(function), field
    text = _text(function(tf.nest.map_structure(tf.constant, row)))
    assert text == _text(fields.tidy_lines(text)) != '', field
    for trace in (' ,', ' .', '``', "''", '  ', '&amp;', '\u00a0', '\u200e'):
      assert trace not in text


def test_an_answer_stays_a_part_of_its_passage():
  context = "It was `` Last Son '' , by  Ida\u00a0Roe ( born 1802 ) ."
  for answer in (
    "`` Last Son ''",
    'by  Ida\u00a0Roe',
    'Ida\u00a0Roe ( born 1802 )',
  ):
    row = {
      'title': 'Mill',
      'context': context,
      'question': 'What ?',
      'answers': {'text': [answer]},
    }
    part = registry.find_part('squad_v1')[1]
    mapped = map_row(part, None, row)
    assert mapped['answer'].numpy() in mapped['passage'].numpy()


def test_soft_hyphens_of_an_answer_are_dropped():
  part = registry.find_part('trivia_qa')[1]
  answer = {'value': 'Monu\u00adment', 'aliases': ['Monument']}
  row = {'question': 'What is it?', 'answer': answer}
  assert map_row(part, None, row)['answers'].numpy().tolist() == [b'Monument']


def _email(body):
  return {'email_body': body, 'subject_line': 'Trip'}


def _chat(dialogue):
  return {'id': '1', 'dialogue': dialogue, 'summary': 'They talk.'}


def _questions(text):
  return {
    'story': 'Ann rowed.',
    'questions': [text],
    'answers': {'input_text': ['Ann']},
  }


@pytest.mark.parametrize(
  'part, row',
  [
    (summarization.AESLC, _email),
    (summarization.SAMSUM, _chat),
    (misc.COQA, _questions),
  ],
  ids=lambda value: getattr(value, 'name', ''),
)
def test_an_inverted_template_does_not_ask_for_a_text_that_would_be_cut(
  part, row
):
  assert 9 in render_row(part, row('Who rowed? ' * 40))
  assert set(range(9)) == set(render_row(part, row('Who rowed? ' * 50)))
