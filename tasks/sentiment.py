"""Sentiment: 4 datasets that ask whether a text is negative or positive."""

from etils import epy
from flan_jax.tasks.fields import replace, tidied, tidy_lines

from flan_jax.definitions.dataset import Dataset, Template
from flan_jax.definitions.registry import register

with epy.lazy_imports():
  import tensorflow as tf

_NEGATIVE, _POSITIVE = 'negative', 'positive'


def _imdb_text(row):
  """Returns the review, with one line break for consecutive `<br />` tags."""
  return tidy_lines(replace(row['text'], (r'\s*(?:<br\s*/?>\s*)+', '\n')))


def _yelp_text(row):
  r"""Decodes the escapes of the published files: `\n`, `\"` and `""`."""
  return tidy_lines(replace(row['text'], (r'\\n', '\n'), (r'\\?""|\\"', '"')))


def _post_class(row):
  """Returns the class of a polarity: 0 negative, 4 positive (2 is dropped)."""
  return tf.where(row['polarity'] < 2, 'negative', 'positive')


def _has_sentiment(row):
  return row['polarity'] != 2


IMDB_REVIEWS = register(
  Dataset(
    name='imdb_reviews',
    title='Sentiment analysis: IMDB',
    version='1.0.0',
    cluster='sentiment',
    source='imdb_reviews/plain_text:1.0.0',
    homepage='http://ai.stanford.edu/~amaas/data/sentiment/',
    licence='not stated',
    splits={
      'train': 'train[:-200]',
      'validation': 'train[-200:]',
      'test': 'test',
    },
    rows={'train': 24800, 'validation': 200, 'test': 25000},
    fields={'review': _imdb_text},
    label='label',
    choices={'neg': _NEGATIVE, 'pos': _POSITIVE},
    metrics=('accuracy',),
    truncatable='review',
    group_key=('review',),
    templates=(
      Template(
        "{review}\n\nOn the whole, what is this viewer's opinion of the film?\n"
        '{options}'
      ),
      Template('Film review: {review}\n\nVerdict:\n{options}'),
      Template(
        'A cinema collects what visitors write about its programme and files '
        'it under two headings. Under which one does this text belong?\n\n'
        '{review}\n\n{options}'
      ),
      Template(
        'Decide whether the opinion below is negative or positive. If it '
        'praises some things and criticises others, go by what matters more to '
        'its author.\n\n"{review}"\n{options}'
      ),
      Template(
        'I only have a minute. Somebody posted this about a movie:\n{review}\n'
        'Which word sums up the reaction?\n\n{options}'
      ),
      Template('Determine the sentiment.\n\n{review}\n\n{options}'),
      Template(
        'Read the following critique, then state the attitude of its author '
        'towards the picture.\nCritique: {review}\nAttitude:\n{options}'
      ),
      Template(
        '{review}\n\nThe lines above come from an online forum on cinema. How '
        'would you describe their tone?\n\n{options}'
      ),
      Template(
        'A director opens the paper and finds these words about her latest '
        'production:\n\n{review}\n\nWhat sort of notice is it?\n{options}'
      ),
      Template(
        'Text: {review}\n\nIf the person who wrote this had to tick one box on '
        'a questionnaire after leaving the theatre, which would it be?\n'
        '{options}'
      ),
    ),
  )
)

SENTIMENT140 = register(
  Dataset(
    name='sentiment140',
    title='Sentiment analysis: Sentiment140',
    version='1.0.0',
    cluster='sentiment',
    source='sentiment140:1.0.0',
    homepage='http://help.sentiment140.com/',
    licence='not stated',
    splits={
      'train': 'train[:30000]',
      'validation': 'train[-200:]',
      'test': 'test',
    },
    rows={'train': 30000, 'validation': 200, 'test': 498},
    fields={'post': tidied('text')},
    label=_post_class,
    choices={'negative': _NEGATIVE, 'positive': _POSITIVE},
    keep=_has_sentiment,
    metrics=('accuracy',),
    truncatable='post',
    group_key=('post',),
    note=(
      'The published accuracy counts the 139 neutral test rows as negative; '
      'we drop them.'
    ),
    templates=(
      Template('{post}\n\nIn what mood was this posted?\n{options}'),
      Template(
        'Someone wrote on a social network: "{post}"\nWhat kind of feeling '
        'does it express?\n{options}'
      ),
      Template('Message: {post}\nSentiment:\n{options}'),
      Template(
        'You help a company to sort what users publish about its products. '
        'Complaints and sad remarks count as negative, praise and cheerful '
        'ones as positive.\n\nNew entry: {post}\n\n{options}'
      ),
      Template('How would you label this short text?\n\n{post}\n\n{options}'),
      Template(
        'My friend just sent "{post}" to everybody. Would you call that a '
        'positive thing to say or a negative one?\n{options}'
      ),
      Template('Classify the emotion:\n{post}\n{options}'),
      Template(
        'Here is a status update from a feed.\n{post}\nAn analyst records the '
        'polarity of each update. Which value goes into the column?\n\n'
        '{options}'
      ),
      Template(
        'Write a {answer} message, as people would post it online.',
        target='{post}',
        inverted=True,
      ),
      Template(
        'Imagine that somebody is in a {answer} mood. What might they tell the '
        'internet today?',
        target='{post}',
        inverted=True,
      ),
    ),
  )
)

SST2 = register(
  Dataset(
    name='sst2',
    title='Sentiment analysis: SST-2',
    version='1.0.0',
    cluster='sentiment',
    source='glue/sst2:2.0.0',
    homepage='https://nlp.stanford.edu/sentiment/',
    licence='not stated',
    splits={
      'train': 'train[:30000]',
      'validation': 'train[-200:]',
      'test': 'validation',
    },
    rows={'train': 30000, 'validation': 200, 'test': 872},
    fields={'sentence': tidied('sentence')},
    label='label',
    choices={'negative': _NEGATIVE, 'positive': _POSITIVE},
    metrics=('accuracy',),
    truncatable='sentence',
    group_key=('sentence',),
    derived_from=('opinion_abstracts_rotten_tomatoes',),
    templates=(
      Template(
        'A critic writes: {sentence}\n\nIs the critic being negative or '
        'positive?\n{options}'
      ),
      Template(
        '{sentence}\n\nSomeone said this about a movie. The opinion that it '
        'expresses is\n{options}'
      ),
      Template('Phrase: "{sentence}"\nTone:\n{options}'),
      Template(
        'One passage was taken from a review of a film. It may be a whole '
        'sentence or just part of one. Judge the impression that it leaves.\n\n'
        '{sentence}\n\n{options}'
      ),
      Template(
        'Put this quotation under the right heading in a list of press '
        'comments:\n{sentence}\n{options}'
      ),
      Template(
        'Which of the two labels describes the snippet "{sentence}" better?\n\n'
        '{options}'
      ),
      Template(
        'Teacher: Look at this line, class.\n{sentence}\nTeacher: Which '
        'adjective describes the attitude of its author?\n{options}'
      ),
      Template(
        '{sentence}\nAssign a sentiment to the remark above.\n\n{options}'
      ),
      Template(
        'Compose a clearly {answer} remark about a motion picture.',
        target='{sentence}',
        inverted=True,
      ),
      Template(
        'I need an example of {answer} language for a lesson on film '
        'criticism. Just a phrase will do.',
        target='{sentence}',
        inverted=True,
      ),
    ),
  )
)

YELP_POLARITY_REVIEWS = register(
  Dataset(
    name='yelp_polarity_reviews',
    title='Sentiment analysis: Yelp',
    version='1.0.0',
    cluster='sentiment',
    source='yelp_polarity_reviews:0.2.0',
    homepage='https://www.yelp.com/dataset',
    licence='terms of the Yelp Dataset Challenge',
    splits={
      'train': 'train[:30000]',
      'validation': 'train[-200:]',
      'test': 'test',
    },
    rows={'train': 30000, 'validation': 200, 'test': 38000},
    fields={'review': _yelp_text},
    label='label',
    # One or two stars are class 1, four or five are class 2.
    choices={'1': _NEGATIVE, '2': _POSITIVE},
    metrics=('accuracy',),
    truncatable='review',
    group_key=('review',),
    templates=(
      Template(
        '{review}\n\nWas this a positive or a negative experience for the '
        'customer?\n{options}'
      ),
      Template(
        'A business received the feedback below. Tell the owner in one word '
        'what kind it is.\n\n{review}\n\n{options}'
      ),
      Template('Customer review: {review}\nRating category:\n{options}'),
      Template(
        'A guest has left a comment:\n\n"{review}"\n\nThe experience that it '
        'describes was\n{options}'
      ),
      Template(
        'We are wondering whether to hire these people. What kind of opinion '
        'of them does the following account express?\n{review}\n{options}'
      ),
      Template('Polarity of this testimonial?\n\n{review}\n\n{options}'),
      Template(
        'Local guide, entry by a visitor: {review}\n\nAn editor marks each '
        'entry "positive" if it recommends the business and "negative" if it '
        'warns against it. The mark here is\n{options}'
      ),
      Template(
        'Consider what happened to the author of these lines. Which opinion of '
        'the company do they have now?\n\n{review}\n{options}'
      ),
      Template(
        '"{review}"\n\nSomebody wrote this about a shop, a restaurant or '
        'another service. What kind of review is it?\n\n{options}'
      ),
      Template(
        'Assess the overall sentiment. Ignore side remarks; what matters is '
        'whether the writer would come back.\n{review}\n\nAssessment:\n'
        '{options}'
      ),
    ),
  )
)
