"""Prompts of the summarization datasets with long texts.

These tests fail if articles are reduced to their dateline (as in the published
code), if reports are not separated, or if a prompt has more than ten opinions.
"""

import flan_jax.tasks.summarization  # noqa: F401 (registers)
import numpy as np
import pytest

from flan_jax.definitions import registry
from flan_jax.testing.declarations import assert_dataset, render_row

registry.load()


def _news(article, highlights='It rained.'):
  return {
    'article': article,
    'highlights': highlights,
    'id': '0',
    'publisher': 'CNN',
  }


def _article(text):
  """Returns the article in the prompt."""
  rendered = render_row(registry.find_part('cnn_dailymail')[1], _news(text))
  return rendered[2][0].removeprefix('News article: ').partition('\n\n')[0]


def _opinions(feature, texts, **others):
  keys = np.array([str(index) for index in range(len(texts))])
  return {feature: {'key': keys, 'value': np.array(texts)}, **others}


@pytest.mark.parametrize(
  'dateline',
  [
    '(CNN) -- ',
    '(CNN)',
    '( CNN ) ',
    'LONDON, England (Reuters) -- ',
    'Washington, D.C. (CNN)',
    'ON THE ROAD TO RIVA, Estavia (CNN) -- ',
    'TOKYO (AFP) – ',
    'NEW YORK (CNN)\u00a0-- ',
    '(Riva Weekly) -- ',
  ],
)
def test_dateline_is_cut_and_the_text_after_it_is_kept(dateline):
  story = '"It rained," Ann (left) said -- and so it did.'
  assert _article(dateline + story) == story


@pytest.mark.parametrize(
  'opening',
  [
    'Prime Minister Ann Moe (Labour) -- who won -- left.',
    'The Associated Press (AP) reported rain.',
    'The Cable News Network (CNN) said so.',
    'A man (pictured) -- aged 40 -- left.',
    'Ann left -- (CNN) -- and it rained.',
  ],
)
def test_text_that_resembles_a_dateline_is_kept(opening):
  assert _article(opening) == opening


def test_link_at_the_end_of_an_article_is_cut():
  assert _article('Ann left . E-mail to a friend .') == 'Ann left.'
  letter = 'She wrote an E-mail to a friend. It rained.'
  assert _article(letter) == letter


def test_highlights_are_lines():
  assert_dataset(
    'cnn_dailymail',
    _news(
      'RIVA (CNN) -- A bridge fell on Monday .  Nobody was hurt .',
      'Bridge in Riva falls .\n  Nobody was hurt .\n',
    ),
    template=2,
    prompt='News article: A bridge fell on Monday. Nobody was hurt.\n\n'
    'Highlights:',
    target='Bridge in Riva falls.\nNobody was hurt.',
  )


def test_news_articles_are_separated():
  assert_dataset(
    'multi_news',
    {
      'document': 'Rain. \n \n More rain.|||||\n |||||Floods | in Riva . |||||',
      'summary': '– It rained, and Riva was flooded.',
    },
    template=2,
    prompt='Article 1:\nRain.\nMore rain.\n\nArticle 2:\nFloods | in Riva.\n\n'
    'Combined summary:',
    target='It rained, and Riva was flooded.',
  )


@pytest.mark.parametrize(
  'document, summary, kept',
  [
    ('Rain.', '– Rain.', True),
    ('||||| \n |||||', '– Rain.', False),
    ('', '– Rain.', False),
    ('Rain.', '– ', False),
  ],
)
def test_news_without_text_is_dropped(document, summary, kept):
  import tensorflow as tf

  keep = registry.find_part('multi_news')[1].keep
  row = {'document': tf.constant(document), 'summary': tf.constant(summary)}
  assert bool(keep(row)) == kept


def test_debate():
  assert_dataset(
    'opinion_abstracts_idebate',
    _opinions(
      '_argument_sentences',
      ['Buses are slow , and cars are quick .', 'People hate to wait .'],
      _debate_name='This House would ban cars',
      _claim='Cars save time .',
      _claim_id='1_1',
    ),
    template=1,
    prompt='Motion: This House would ban cars\nArguments:\n'
    '1. Buses are slow, and cars are quick.\n2. People hate to wait.\nClaim:',
    target='Cars save time.',
  )


def test_reviews_are_the_first_ten():
  texts = ['Dull.', ' ', *(f'Review {index}.' for index in range(20))]
  row = _opinions(
    '_critics',
    texts,
    _movie_name='The Mill',
    _movie_id='the_mill',
    _critic_consensus='Dull and long.',
  )
  lines = '\n'.join(f'{n + 2}. Review {n}.' for n in range(9))
  assert_dataset(
    'opinion_abstracts_rotten_tomatoes',
    row,
    template=1,
    prompt=f'Movie: The Mill\nReviews:\n1. Dull.\n{lines}\nConsensus:',
    target='Dull and long.',
  )


def _guide(source, target, references):
  return {
    'source': source,
    'target': target,
    'references': np.array(references, dtype=np.str_),
  }


def test_guide_has_no_traces_of_pictures():
  picture = (
    '{"smallUrl":"https:\\/\\/a.example\\/b.png","bigWidth":"30",'
    '"licensing":"<div class=\\"c\\"><\\/div>"}'
  )
  assert_dataset(
    'wiki_lingua_english_en',
    _guide(f'Tap the {picture} icon. Use 5\u00a0mL.', 'Open it. Tap.', []),
    template=1,
    prompt='How-to text: Tap the icon. Use 5 mL.\n\nSteps in brief:',
    target='Open it. Tap.',
  )


def test_guide_answers_are_the_target_and_distinct_references():
  import tensorflow as tf

  part = registry.find_part('wiki_lingua_english_en')[1]
  row = _guide('Long text.', 'Tap.', ['Tap it.', 'Tap.'])
  answers = part.answers(tf.nest.map_structure(tf.constant, row))
  assert answers.numpy().tolist() == [b'Tap.', b'Tap it.']
  empty = _guide('Not written yet.', '', [])
  assert not part.keep(tf.nest.map_structure(tf.constant, empty))
