"""Prompts of the summarization datasets with short texts."""

from flan_jax.tasks import summarization
from flan_jax.tasks.summarization import AG_NEWS_SUBSET, GIGAWORD
import pytest
import tensorflow as tf

from flan_jax.definitions.dataset import evaluated
from flan_jax.testing.declarations import assert_dataset, render_row
from tests.tasks.tfds_features import features

_TOPICS = ('World', 'Sports', 'Business', 'Sci/Tech')
_WORDS = ('world affairs', 'sports', 'business', 'science and technology')


def _newsroom_row(**texts):
  numbers = dict.fromkeys(('density', 'coverage', 'compression'), 1.0)
  others = ('url', 'date', 'density_bin', 'coverage_bin', 'compression_bin')
  return {'title': '', **dict.fromkeys(others, ''), **numbers, **texts}


# Dataset, raw row, template, prompt, target.
_CASES = [
  (
    'aeslc',
    {
      'email_body': 'Jo,\nThe lift is  out of order.\nTake the stairs.\n',
      'subject_line': 'Lift out of order\n',
    },
    3,
    'Body: Jo, The lift is out of order. Take the stairs.\nSubject:',
    'Lift out of order',
  ),
  (
    'aeslc',
    {'email_body': 'Lunch at one?\nAva\n', 'subject_line': 'Lunch'},
    9,
    'Draft an email with the subject "Lunch".',
    'Lunch at one? Ava',
  ),
  (
    'gigaword',
    {
      'document': "`` it 's over , '' the mayor -lrb- of tull -rrb- said .",
      'summary': "mayor : it 's over",
    },
    1,
    'First sentence of a report: "it\'s over," the mayor (of tull) said.\n'
    'Headline:',
    "mayor: it's over",
  ),
  (
    'gigaword',
    {'document': 'the port of arle reopened monday .', 'summary': 'arle open'},
    5,
    'Summarize in about eight words: the port of arle reopened monday.',
    'arle open',
  ),
  (
    'newsroom',
    _newsroom_row(
      text='It rained &amp; rained.\n\nThe  fair was <b>off</b>.',
      summary='Rain stopped the fair.',
      title='No fair',
    ),
    1,
    'Title: No fair\n\nIt rained & rained.\nThe fair was off.\n\nSummary:',
    'Rain stopped the fair.',
  ),
  (
    'newsroom',
    _newsroom_row(text='A goat ate the flag.', summary='Goat eats flag.'),
    4,
    'Article: A goat ate the flag.\nTeaser:',
    'Goat eats flag.',
  ),
  (
    'samsum',
    {
      'id': '1',
      'dialogue': 'Ann: home? <3\r\nBo: <file_gif>\r\nBo: yes \r\nAnn: ok',
      'summary': 'Bo is at home. ',
    },
    1,
    'Chat:\nAnn: home? <3\nBo:\nBo: yes\nAnn: ok\n\nSummary of the chat:',
    'Bo is at home.',
  ),
  (
    'samsum',
    {'id': '2', 'dialogue': 'Al: Tea?\r\nEm: Please', 'summary': 'Tea.'},
    9,
    'Invent a chat that could be summed up like this: Tea.',
    'Al: Tea?\nEm: Please',
  ),
  (
    'xsum',
    {
      'document': '3 May 2012 Last updated at 09:10 GMT\nA tree fell.\n'
      'Media playback is not supported on this device\nNobody was hurt.',
      'summary': 'A tree has fallen.',
    },
    1,
    'Article: A tree fell.\nNobody was hurt.\nOne-sentence summary:',
    'A tree has fallen.',
  ),
  (
    'xsum',
    {'document': 'The last match was\nlost.', 'summary': 'A team lost.'},
    5,
    'TL;DR of this story, please:\nThe last match was\nlost.',
    'A team lost.',
  ),
]

# Three clear examples of each topic.
_NEWS = {
  'World': (
    ('Truce in Ombria', 'Rebels and army stopped shooting at the border.'),
    ('Prime minister resigns', 'The government of Tarsk fell on Sunday.'),
    ('Peace talks begin', 'Envoys of two nations met in a third.'),
  ),
  'Sports': (
    ('Late goal wins cup', 'The striker scored in the 90th minute.'),
    ('Runner sets record', 'She won the 800 meters by a second.'),
    ('Pitcher traded', 'The league leaders need a left-hander.'),
  ),
  'Business': (
    ('Profit up at grocer', 'Quarterly earnings beat forecasts.'),
    ('Banks to merge', 'Shareholders will get cash and stock.'),
    ('Rates rise again', 'Bonds fell after the central bank acted.'),
  ),
  'Sci/Tech': (
    ('Probe reaches comet', 'Its camera sent the first pictures.'),
    ('Browser hole closed', 'A patch keeps attackers out.'),
    ('New beetle named', 'Biologists found it in a cave.'),
  ),
}


@pytest.mark.parametrize('name, row, template, prompt, target', _CASES)
def test_row(name, row, template, prompt, target):
  assert_dataset(name, row, template, prompt, target)


@pytest.mark.parametrize(
  'topic, words', list(zip(_TOPICS, _WORDS, strict=True))
)
def test_every_topic_has_its_own_words(topic, words):
  for title, text in _NEWS[topic]:
    label = _TOPICS.index(topic)
    row = {'title': title, 'description': text, 'label': label}
    prompt = (
      f'Headline: {title}\nStory: {text}\nCategory:\nOptions:\n'
      '- science and technology\n- business\n- sports\n- world affairs'
    )
    assert_dataset('ag_news_subset', row, 1, prompt, words, _TOPICS)


def test_ordinary_topic_templates_ask_for_the_topic_not_the_headline():
  row = {'title': 'A', 'description': 'B', 'label': 1}
  rendered = render_row(AG_NEWS_SUBSET, row, _TOPICS)
  ordinary = evaluated(AG_NEWS_SUBSET.templates)
  assert {rendered[index][1] for index in ordinary} == {'sports'}
  assert {rendered[i][1] for i in set(rendered) - set(ordinary)} == {'A', 'B'}


@pytest.mark.parametrize(
  'raw, clean',
  [
    ('it #39;s over', "it's over"),
    ('UK jails  #39;plotter #39;', "UK jails 'plotter'"),
    (' quot;No, quot; he said', '"No," he said'),
    ('AT amp;T pays \\$5', 'AT&T pays $5'),
    ('more\\women play', 'more women play'),
    ('Axe Inc. &lt;A HREF="x/fullquote"&gt;AX.O&lt;/A&gt;, up', 'Axe Inc., up'),
    ('ATHENS : gold', 'ATHENS: gold'),
    ('a 2 &lt; 3 rule', 'a 2 < 3 rule'),
  ],
)
def test_broken_markup_of_news_is_repaired(raw, clean):
  text = summarization._news_text(tf.constant(raw))
  assert text.numpy().decode() == clean


@pytest.mark.parametrize(
  'raw, clean',
  [
    ('Gas rises (AP)', 'Gas rises'),
    ('Spam terms &lt;b&gt;...&lt;/b&gt;', 'Spam terms'),
    ('Plan (for all)', 'Plan (for all)'),
  ],
)
def test_headlines_end_without_agency_or_markup(raw, clean):
  title = summarization._news_title({'title': tf.constant(raw)})
  assert title.numpy().decode() == clean


@pytest.mark.parametrize(
  'raw, clean',
  [
    (
      'The mar= ket was =20 up = a lot.\n=09Bye',
      'The market was up a lot. Bye',
    ),
    ('Load = 108, n + 1 = 2', 'Load = 108, n + 1 = 2'),
    ('See http://a.example/?id=20 now', 'See http://a.example/?id=20 now'),
  ],
)
def test_only_quoted_printable_mail_is_decoded(raw, clean):
  email = summarization._email({'email_body': tf.constant(raw)})
  assert email.numpy().decode() == clean


def test_text_between_attachments_is_kept():
  raw = 'Al: see <file_other>. Or this<file_photo><photo_file> one >_< <3'
  dialogue = summarization._dialogue({'dialogue': tf.constant(raw)})
  assert dialogue.numpy().decode() == 'Al: see. Or this one >_< <3'


@pytest.mark.parametrize(
  'document, summary, kept',
  [
    ('a punk band split up .', 'band splits', True),
    ('shares of UNK rose .', 'shares rise', False),
    ('shares rose .', 'unk shares rise', False),
    ('shares rose ## percent .', 'shares rise', False),
    ('shares rose .', 'up #.#', False),
    ('shares rose .', ' ', False),
  ],
)
def test_rows_with_missing_words_are_dropped(document, summary, kept):
  row = {'document': tf.constant(document), 'summary': tf.constant(summary)}
  assert bool(GIGAWORD.keep(row)) is kept


@pytest.mark.parametrize('name', ['AESLC', 'NEWSROOM', 'SAMSUM', 'XSUM'])
def test_rows_without_text_are_dropped(name):
  dataset = getattr(summarization, name)
  row = {name: tf.constant('text') for name in features(dataset.source)}
  assert dataset.keep(row)
  for feature in ('email_body', 'text', 'dialogue', 'document', 'summary'):
    if feature in row:
      assert not dataset.keep({**row, feature: tf.constant(' \n')})


def test_an_article_without_a_title_is_not_asked_about_it():
  row = _newsroom_row(text='A goat ate the flag.', summary='Goat eats flag.')
  titled = [
    index
    for index, template in enumerate(summarization.NEWSROOM.templates)
    if 'title' in (*template.input_fields(), *template.target_fields())
  ]
  assert titled
  assert not set(titled) & set(render_row(summarization.NEWSROOM, row))
