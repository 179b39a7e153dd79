"""Reading comprehension with commonsense: 2 datasets."""

from etils import epy
from flan_jax.tasks.fields import replace, tidy, tidy_lines

from flan_jax.definitions.dataset import Dataset, Template
from flan_jax.definitions.registry import register

with epy.lazy_imports():
  import tensorflow as tf

_BLANK = '____'
_NONE = 'None of the above choices.'


def _natural(text):
  """Returns the tidy text, also without spaces that only this source has."""
  return replace(
    tidy(text),
    (r' (\.\.+)', r'\1'),
    (r'(\d) - (\d)', r'\1-\2'),
    (r'(?i)\b(anti|e|mid|non|pre|semi|t) - (\w)', r'\1-\2'),
    (r'(\w) / (\w)', r'\1/\2'),
  )


def _context(row):
  return _natural(row['context'])


def _question(row):
  """Returns the question, which may end in any mark, with one "?"."""
  text = _natural(row['question'])
  return tf.strings.regex_replace(text, r'[\s.,;:/!?]*$', '') + '?'


def _answers(row):
  return _natural(tf.stack([row[f'answer{i}'] for i in range(4)]))


def _choices(row):
  """Returns the distinct answers."""
  answers = _answers(row)
  return tf.unique(tf.boolean_mask(answers, tf.not_equal(answers, ''))).y


def _right_choice(row):
  return _choices(row) == tf.gather(_answers(row), row['label'])


def _has_label(row):
  """Drops rows with a hidden label (-1)."""
  return row['label'] >= 0


def _is_some_answer(row):
  return tf.not_equal(row['answer'], _NONE)


def _passage(row):
  """Returns the article, then its highlights as a list, one per line.

  Some answers occur only in the highlights.
  """
  text = tf.strings.regex_replace(
    row['passage'], r'(?:\s*@highlight)+\s*', '\n* '
  )
  text = tf.strings.regex_replace(text, r'\n\* $', '')
  return tidy_lines(text)


def _gapped(row):
  text = tf.strings.regex_replace(row['query'], '@placeholder', _BLANK)
  return tidy(text)


def _entities(row):
  entities = tidy(row['entities'])
  return tf.unique(tf.boolean_mask(entities, tf.not_equal(entities, ''))).y


def _right_entities(row):
  """Marks every entity that is a spelling of the answer."""
  answers = tidy(row['answers'])
  return tf.reduce_any(_entities(row)[:, None] == answers[None, :], axis=1)


def _has_right_entity(row):
  """Drops rows whose answer is not among the entities."""
  return tf.reduce_any(_right_entities(row))


COSMOS_QA = register(
  Dataset(
    name='cosmos_qa',
    title='Reading comprehension with commonsense: Cosmos QA',
    version='1.0.0',
    cluster='reading_comprehension_commonsense',
    source='cosmos_qa:1.0.0',
    homepage='https://wilburone.github.io/cosmos/',
    licence='CC BY 4.0',
    splits={
      'train': 'train[:-200]',
      'validation': 'train[-200:]',
      'test': 'validation',
    },
    rows={'train': 25062, 'validation': 200, 'test': 2985},
    fields={'context': _context, 'question': _question},
    options=_choices,
    correct=_right_choice,
    keep=_has_label,
    metrics=('accuracy',),
    truncatable='context',
    group_key=('context',),
    templates=(
      Template(
        'Somebody wrote this in a blog:\n\n"{context}"\n\nRead between the '
        'lines. {question}\n\n{options}'
      ),
      Template('{context}\n\n{question}\n{options}'),
      Template(
        'The passage below does not state everything outright, so use common '
        'sense as well. {question}\n\nPassage: {context}\n\n{options}'
      ),
      Template(
        'Story: {context}\nQuestion: {question}\nMost plausible answer:\n'
        '{options}'
      ),
      Template(
        'Before you start, keep in mind what you will be asked: {question}\n\n'
        '{context}\n\nNow pick the reply that these lines make most likely.\n'
        '{options}'
      ),
      Template(
        'A friend showed me a page of a diary, and I do not quite understand '
        'it.\n{context}\n\nHere is what puzzles me: {question}\n{options}'
      ),
      Template(
        '{context}\n\nA reading group discusses this extract. One member asks: '
        '{question}\nChoose the most convincing response. If one of them '
        'rejects all the others, consider it too.\n\n{options}'
      ),
      Template(
        'A text often does not say why something happened, how people felt or '
        'what came next. Judge by how the world usually works.\n\nText: '
        '{context}\n\n{question}\n\n{options}'
      ),
      Template(
        'An everyday situation, told by someone who was there: {context}\n'
        '{question}\nReasonable conclusion:\n{options}'
      ),
      Template(
        'Here are some lines from a personal account.\n\n{context}\n\nAsk '
        'something about them that a sensible reader would answer like this: '
        '{answer}',
        target='{question}',
        inverted=True,
        only_if=_is_some_answer,
      ),
    ),
  )
)

RECORD = register(
  Dataset(
    name='record',
    title='Reading comprehension with commonsense: ReCoRD',
    version='1.0.0',
    cluster='reading_comprehension_commonsense',
    source='super_glue/record:1.0.2',
    homepage='https://sheng-z.github.io/ReCoRD-explorer/',
    licence='not stated',
    splits={
      'train': 'train[:30000]',
      'validation': 'train[-200:]',
      'test': 'validation',
    },
    rows={'train': 30000, 'validation': 200, 'test': 10000},
    fields={'passage': _passage, 'query': _gapped},
    options=_entities,
    correct=_right_entities,
    keep=_has_right_entity,
    metrics=('record_f1', 'record_em'),
    truncatable='passage',
    group_key=('passage',),
    derived_from=('cnn_dailymail',),
    note='The prompt shows the highlights after the article; FLAN cut them '
    'off.',
    templates=(
      Template(
        '{passage}\n\nAnother sentence about the same events has a gap:\n'
        '{query}\n\nWhich name or term belongs in it?\n{options}'
      ),
      Template(
        'Article:\n{passage}\n\nStatement: {query}\nMissing from the '
        'statement:\n{options}'
      ),
      Template(
        'An editor left a blank in the line below. Fill it with somebody or '
        'something mentioned in the news report.\n\nLine: {query}\n\nReport: '
        '{passage}\n\n{options}'
      ),
      Template(
        'Read the news item and complete the sentence that comes after it.\n\n'
        '{passage}\n\n{query}\n\n{options}'
      ),
      Template(
        '{query}\n\nWho or what do the underscores stand for? Look for clues '
        'in this story.\n\n{passage}\n{options}'
      ),
      Template(
        'These are the opening and perhaps the main points of an article:\n'
        '{passage}\n\nFurther on, it says: {query}\nWhich of the entries fills '
        'the gap?\n\n{options}'
      ),
      Template('{passage}\n\n{query}\n\n____ =\n{options}'),
      Template(
        'A reporter dictated a sentence over a bad line and one expression '
        'was lost. Recover it with the help of the printed page.\n\nDictated: '
        '{query}\n\nPrinted: {passage}\n\n{options}'
      ),
      Template(
        'Exercise: a name was cut out of the sentence. Infer it from what the '
        'text reports and from what you know about the world.\nText: {passage}'
        '\nSentence: {query}\n{options}'
      ),
      Template(
        'Suppose that all of this is accurate:\n\n{passage}\n\nWhat makes the '
        'claim below accurate too when it is put in the open space?\n{query}\n'
        '{options}'
      ),
    ),
  )
)
