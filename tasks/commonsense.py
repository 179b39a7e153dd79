"""Commonsense: 4 datasets that ask which of a row's own choices fits."""

from etils import epy
from flan_jax.tasks.fields import clean, replace, tidied, tidy

from flan_jax.definitions.dataset import Dataset, Template
from flan_jax.definitions.registry import register

with epy.lazy_imports():
  import tensorflow as tf

# Tags of the sections of a how-to article.
_TAG = r'\s*\[(?:header|title|step|substeps)\]\s*'


def _continuable(text):
  """Returns the text without tags and traces of tokenization.

  "[header] How to rest [title] Sit. [step] Say, \" ah \" ." becomes
  'How to rest. Sit. Say, "ah".'
  """
  text = replace(
    clean(text),
    (f'^{_TAG}', ''),
    (rf'([\w)]){_TAG}', r'\1. '),
    (_TAG, ' '),
  )
  return replace(tidy(text), (r'([^.])\.\.(\s|$)', r'\1.\2'))


def _usable(options, correct):
  """Returns whether the choices are distinct, none is empty, one is right."""
  distinct = tf.size(tf.unique(options)[0]) == tf.size(options)
  filled = tf.reduce_all(options != '')
  return distinct & filled & tf.reduce_any(correct)


def _asked(row):
  return tf.where(
    row['question'] == 'cause',
    'What brought this about?',
    'What came of this?',
  )


def _lead(row):
  return tf.where(
    row['question'] == 'cause', 'The reason was this:', 'The result was this:'
  )


def _asks_for_cause(row):
  return row['kind'] == 'cause'


def _asks_for_effect(row):
  return row['kind'] == 'effect'


def _copa_options(row):
  return tf.stack([tidy(row['choice1']), tidy(row['choice2'])])


def _counted_from_0(row):
  """Returns which of the two choices is right, bool [2]."""
  return tf.range(2) == tf.cast(row['label'], tf.int32)


COPA = register(
  Dataset(
    name='copa',
    title='Commonsense: COPA',
    version='1.0.0',
    cluster='commonsense',
    source='super_glue/copa:1.0.2',
    homepage='https://people.ict.usc.edu/~gordon/copa.html',
    licence='BSD 2-Clause',
    splits={
      'train': 'train[:-50]',
      'validation': 'train[-50:]',
      'test': 'validation',
    },
    rows={'train': 350, 'validation': 50, 'test': 100},
    # The last three are different ways to tell whether the cause or the effect
    # is wanted. Every ordinary template shows exactly one of them.
    fields={
      'premise': tidied('premise'),
      'kind': 'question',
      'asked': _asked,
      'lead': _lead,
    },
    optional=('kind', 'asked', 'lead'),
    options=_copa_options,
    correct=_counted_from_0,
    metrics=('accuracy',),
    truncatable='premise',
    group_key=('premise',),
    plain=(Template('{premise}\n{kind}'),),
    templates=(
      Template('{premise}\n\n{asked}\n{options}'),
      Template(
        'Choose the more plausible {kind} of this event.\n\n{premise}\n\n'
        '{options}'
      ),
      Template('Event: {premise}\nWanted: its likely {kind}\n{options}'),
      Template(
        'I will tell you about one thing that happened. You say which of two '
        'others fits it better.\n"{premise}"\n{asked}\n\n{options}'
      ),
      Template(
        'Finish my thought so that it makes sense.\n\n{premise}\n{lead}\n'
        '{options}'
      ),
      Template(
        'A line is missing from a report. The missing line gives the {kind} of '
        'this event:\n{premise}\n\nWhich line belongs in the gap?\n{options}'
      ),
      Template(
        '{premise}\n\nBoth sentences in the list may be true, but only one of '
        'them is a natural {kind} of the situation above. Which one is it?\n\n'
        '{options}'
      ),
      Template(
        'The teacher reads out: {premise}\nThe teacher asks: {asked}\nA pupil '
        'with common sense replies:\n{options}'
      ),
      Template(
        '"{premise}"\n\nThe speaker pauses, then goes on:\n"{lead}"\nWhat do '
        'you expect to hear now?\n\n{options}'
      ),
      Template(
        '{answer}\n\nWhat might well have happened because of that?',
        target='{premise}',
        inverted=True,
        only_if=_asks_for_cause,
      ),
      Template(
        'Give a probable explanation for the following: {answer}',
        target='{premise}',
        inverted=True,
        only_if=_asks_for_effect,
      ),
    ),
  )
)


def _hellaswag_context(row):
  return _continuable(row['context'])


def _hellaswag_options(row):
  """Returns the endings, strings [4], without a comma at the start.

  After a context such as "… smiles. then", an ending may be ", the man waves."
  """
  endings = _continuable(row['endings'])
  return tf.strings.regex_replace(endings, r'^[,;] ?', '')


def _hellaswag_correct(row):
  """Returns which ending is right, bool [4]; a hidden label is -1."""
  return tf.range(4) == tf.cast(row['label'], tf.int32)


def _hellaswag_usable(row):
  return _usable(_hellaswag_options(row), _hellaswag_correct(row))


HELLASWAG = register(
  Dataset(
    name='hellaswag',
    title='Commonsense: HellaSwag',
    version='1.0.0',
    cluster='commonsense',
    source='hellaswag:1.1.0',
    homepage='https://github.com/rowanz/hellaswag',
    licence='MIT',
    splits={
      'train': 'train[:30000]',
      'validation': 'train[-200:]',
      'test': 'validation',
    },
    rows={'train': 30000, 'validation': 200, 'test': 10042},
    fields={
      'context': _hellaswag_context,
      'activity': tidied('activity_label'),
    },
    optional=('activity',),
    options=_hellaswag_options,
    correct=_hellaswag_correct,
    metrics=('accuracy',),
    truncatable='context',
    group_key=('context',),
    keep=_hellaswag_usable,
    derived_from=('wiki_lingua_english_en',),
    plain=(Template('{context}'),),
    templates=(
      Template(
        '{context}\n\nWhich of these continues the text in the most sensible '
        'way?\n{options}'
      ),
      Template('Topic: {activity}\nText: {context}\nContinuation:\n{options}'),
      Template(
        'The passage below breaks off, perhaps in the middle of a sentence. '
        'Find the part that was cut off.\n\n{context}\n\n{options}'
      ),
      Template('How does this continue?\n{context}\n\n{options}'),
      Template(
        'Only one of the endings fits the situation. The others make little '
        'sense after such a beginning.\n\nBeginning: {context}\nEnding:\n'
        '{options}'
      ),
      Template(
        '{context}\n\nMy screen went dark at this point, so I could not read '
        'on. What probably came next?\n\n{options}'
      ),
      Template(
        'An entry filed under "{activity}" starts as follows.\n\n{context}\n\n'
        'Four writers have each handed in a draft of the rest. Which draft '
        'should the editor accept?\n{options}'
      ),
      Template(
        'The text below describes a scene or gives advice. Picture each step, '
        'then choose the step that follows.\n\n{context}\n{options}'
      ),
      Template(
        'A child reads aloud from a book on {activity}:\n"{context}"\nThe page '
        'ends there. What is printed at the top of the next page?\n{options}'
      ),
      Template(
        'Complete the text with the most realistic candidate.\n"{context}"\n\n'
        '{options}'
      ),
    ),
  )
)


def _goal(row):
  return tidy(row['goal'])


def _goal_is_stated(row):
  """Returns whether the goal is more than the name of an object ("saw")."""
  return tf.strings.regex_full_match(row['goal'], r'(\S+ ){3,}\S+')


def _piqa_options(row):
  return tf.stack([tidy(row['sol1']), tidy(row['sol2'])])


def _piqa_usable(row):
  return _usable(_piqa_options(row), _counted_from_0(row))


PIQA = register(
  Dataset(
    name='piqa',
    title='Commonsense: PIQA',
    version='1.0.0',
    cluster='commonsense',
    source='piqa:1.0.0',
    homepage='https://yonatanbisk.com/piqa/',
    licence='not stated',
    splits={
      'train': 'train[:-100]',
      'validation': 'train[-100:]',
      'test': 'validation',
    },
    rows={'train': 16013, 'validation': 100, 'test': 1838},
    fields={'goal': _goal},
    options=_piqa_options,
    correct=_counted_from_0,
    metrics=('accuracy',),
    truncatable='goal',
    group_key=('goal',),
    keep=_piqa_usable,
    note='FLAN scored over one point lower on the rows that do not overlap '
    'with its pretraining data.',
    templates=(
      Template('Goal: {goal}\n\nWhich of the two solutions works?\n{options}'),
      Template('{goal}\n{options}'),
      Template(
        'I am stuck with a practical problem and hope that you have a tip for '
        'me.\n\n{goal}\n\nWhat would you recommend?\n\n{options}'
      ),
      Template(
        'Two strangers replied to this request:\n{goal}\n\nIf you tried both '
        'replies, only one would work. Pick that one.\n{options}'
      ),
      Template('How-to forum\n\nThread: {goal}\nTop comment:\n{options}'),
      Template(
        'Use your knowledge of everyday objects and materials. Which '
        'suggestion makes physical sense here?\n\n{goal}\n\n{options}'
      ),
      Template(
        'Somebody brings this to an experienced handyman:\n"{goal}"\n\nWhat '
        'does he advise?\n{options}'
      ),
      Template(
        'There are two versions of the manual for the job below, and one of '
        'them contains a mistake. Choose the version without the mistake.\n\n'
        'Job: {goal}\n\n{options}'
      ),
      Template(
        'Somebody does the following. What do they want to achieve?\n{answer}',
        target='{goal}',
        inverted=True,
        only_if=_goal_is_stated,
      ),
      Template(
        'Method: {answer}\nPurpose of the method:',
        target='{goal}',
        inverted=True,
        only_if=_goal_is_stated,
      ),
    ),
  )
)


def _story_cloze_options(row):
  return tidy(row['endings'])


def _story_cloze_correct(row):
  """Returns which ending is right, bool [2]; labels count from 1."""
  return tf.range(1, 3) == tf.cast(row['label'], tf.int32)


def _story_cloze_usable(row):
  return _usable(_story_cloze_options(row), _story_cloze_correct(row))


STORY_CLOZE = register(
  Dataset(
    name='story_cloze',
    title='Commonsense: Story Cloze',
    version='1.0.0',
    cluster='commonsense',
    # Not 2018: TFDS misreads the labels of those files.
    source='story_cloze/2016:1.0.0',
    homepage='https://www.cs.rochester.edu/nlp/rocstories/',
    licence='not stated; the files are given on request',
    splits={
      'train': 'validation[:-200]',
      'validation': 'validation[-200:]',
      'test': 'test',
    },
    rows={'train': 1671, 'validation': 200, 'test': 1871},
    fields={'context': tidied('context')},
    options=_story_cloze_options,
    correct=_story_cloze_correct,
    metrics=('accuracy',),
    truncatable='context',
    group_key=('context',),
    keep=_story_cloze_usable,
    manual='the Spring 2016 files, requested at '
    'https://www.cs.rochester.edu/nlp/rocstories/ and renamed to '
    'cloze_test_val__spring2016.csv and cloze_test_test__spring2016.csv',
    note='Trains on the published validation split, whose stories have two '
    'endings each.',
    templates=(
      Template(
        '{context}\n\nWhich of the two sentences ends this story well?\n'
        '{options}'
      ),
      Template('Story: {context}\nLast sentence:\n{options}'),
      Template(
        'A very short tale has lost its final line. Two lines were found, but '
        'only one agrees with what went before. Put it back.\n\n{context}\n\n'
        '{options}'
      ),
      Template(
        'My daughter told me a bedtime story:\n"{context}"\nNow I have to '
        'guess how it ends. What is my best guess?\n{options}'
      ),
      Template(
        'Knowing how people usually act and feel, what would you expect after '
        'these events?\n{context}\n\n{options}'
      ),
      Template(
        'Creative writing, exercise 1. Finish the paragraph with the ending '
        'that suits it.\n\n{context}\n\n{options}'
      ),
      Template('Listen to this.\n{context}\nHow did it end?\n{options}'),
      Template(
        '{context}\n\nTwo readers expect different endings. Which ending '
        'agrees better with the characters and their mood?\n{options}'
      ),
      Template(
        "Narrator: {context}\n\nAudience: Don't stop there! What happened then?"
        '\n\nNarrator:\n{options}'
      ),
      Template(
        'Make up a few sentences that lead to this ending: {answer}',
        target='{context}',
        inverted=True,
      ),
    ),
  )
)
