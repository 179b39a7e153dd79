"""Coreference: 3 datasets that ask whom or what a word refers to."""

from etils import epy
from flan_jax.tasks.fields import tidied, tidy

from flan_jax.definitions.dataset import Dataset, Part, Template
from flan_jax.definitions.registry import register

with epy.lazy_imports():
  import tensorflow as tf

# TFDS gives positions in characters; TensorFlow counts bytes by default.
_CHARS = 'UTF8_CHAR'
# After one of these, "her" is an object; otherwise it is a possessive.
_AFTER_HER = (
  r"[^\w']*$|[^\w\s'].*|\s(?:a|about|again|and|as|at|because|but|by|for|from|if|"
  r'in|into|of|off|on|out|so|that|the|to|up|when|while|with)\b.*'
)


def _gapped(row):
  return tidy(row['sentence'])


def _candidates(row):
  return tidy(row['candidates'])


def _both_options(row):
  return tidy(tf.stack([row['option1'], row['option2']]))


def _is_label(row):
  """Returns which of two choices is right, bool [2]; labels count from 0."""
  return tf.range(2) == tf.cast(row['label'], tf.int32)


def _marked_text(row):
  """Returns the text with asterisks around the pronoun in question.

  The same pronoun often occurs several times. `span2_index` counts words and
  is off by one in a few rows, so the nearest occurrence is marked.
  """
  words = tf.strings.split(row['text'])
  bare = tf.strings.regex_replace(words, r'^\W*(\w+).*$', r'\1')
  is_pronoun = tf.equal(tf.strings.lower(bare), tf.strings.lower(_pronoun(row)))
  places = tf.range(tf.size(words))
  distance = tf.abs(places - tf.cast(row['span2_index'], tf.int32))
  distance = tf.where(is_pronoun, distance, tf.int32.max)
  meant = is_pronoun & tf.equal(
    places, tf.argmin(distance, output_type=tf.int32)
  )
  marked = tf.strings.regex_replace(words, r'^(\W*)(\w+)', r'\1*\2*')
  words = tf.where(meant, marked, words)
  return tidy(tf.strings.reduce_join(words, separator=' '))


def _candidate(row):
  return tidy(row['span1_text'])


def _pronoun(row):
  return tidy(row['span2_text'])


def _beginning(row):
  return tidy(tf.strings.substr(row['text'], 0, row['pronoun_start'], _CHARS))


def _endings(row):
  """Returns each candidate in place of the pronoun, and the text after it."""
  text, end = row['text'], row['pronoun_end']
  rest = tf.strings.substr(
    text, end, tf.strings.length(text, _CHARS) - end, _CHARS
  )
  names = tf.stack([row['option1_normalized'], row['option2_normalized']])
  names = tf.where(
    _is_possessive(row['pronoun_text'], rest)
    & ~tf.strings.regex_full_match(names, r".*['’]s?"),
    tf.strings.join([names, "'s"]),
    names,
  )
  return tidy(tf.strings.join([names, rest]))


def _is_possessive(pronoun, rest):
  pronoun = tf.strings.lower(pronoun)
  return tf.strings.regex_full_match(pronoun, 'his|its|their') | (
    tf.equal(pronoun, 'her') & ~tf.strings.regex_full_match(rest, _AFTER_HER)
  )


DEFINITE_PRONOUN_RESOLUTION = register(
  Dataset(
    name='definite_pronoun_resolution',
    title='Coreference resolution: Definite Pronoun Resolution',
    version='1.0.0',
    cluster='coreference',
    source='definite_pronoun_resolution:1.1.0',
    homepage='https://www.hlt.utdallas.edu/~vince/data/emnlp12/',
    licence='not stated',
    splits={
      'train': 'train[:-200]',
      'validation': 'train[-200:]',
      'test': 'test',
    },
    rows={'train': 1122, 'validation': 200, 'test': 564},
    fields={'sentence': tidied('sentence'), 'pronoun': tidied('pronoun')},
    options=_candidates,
    correct=_is_label,
    metrics=('accuracy',),
    truncatable='sentence',
    group_key=('sentence',),
    templates=(
      Template(
        '{sentence}\n\nWho or what does "{pronoun}" refer to in this sentence?'
        '\n{options}'
      ),
      Template(
        'Sentence: {sentence}\nPronoun: {pronoun}\nStands for:\n{options}'
      ),
      Template(
        'Replace "{pronoun}" with a fuller expression without changing what '
        'the sentence means.\n\n{sentence}\n\n{options}'
      ),
      Template(
        'My little brother heard this sentence and asked me who or what '
        '"{pronoun}" meant:\n"{sentence}"\nWhat should I tell him?\n{options}'
      ),
      Template(
        'Grammar alone does not show what "{pronoun}" points back to here, but '
        'knowledge of the world does.\n\n{sentence}\n\nChoose the expression '
        'it points back to.\n{options}'
      ),
      Template('Antecedent of "{pronoun}":\n{sentence}\n\n{options}'),
      Template(
        'With "{pronoun}", the writer of this sentence avoids a repetition.\n\n'
        '{sentence}\n\nWhich words would have been repeated?\n{options}'
      ),
      Template(
        'Two lawyers disagree about this sentence:\n{sentence}\n\nOn the more '
        'sensible reading, "{pronoun}" stands for\n\n{options}'
      ),
      Template(
        'A language without pronouns has to name everything in full.\n\n'
        '{sentence}\n\nIn a translation into that language, what takes the '
        'place of "{pronoun}"?\n{options}'
      ),
      Template(
        'Link the pronoun "{pronoun}" in this text to one of the two '
        'candidates.\n\nText: {sentence}\n\n{options}'
      ),
    ),
  )
)

WINOGRANDE = register(
  Dataset(
    name='winogrande',
    title='Coreference resolution: WinoGrande',
    version='1.0.0',
    cluster='coreference',
    source='winogrande:1.2.0',
    homepage='https://github.com/allenai/winogrande',
    licence='CC BY',
    splits={
      'train': 'train_xl[:30000]',
      'validation': 'train_xl[-200:]',
      'test': 'validation',
    },
    rows={'train': 30000, 'validation': 200, 'test': 1267},
    fields={'sentence': _gapped},
    options=_both_options,
    correct=_is_label,
    metrics=('accuracy',),
    truncatable='sentence',
    group_key=('sentence',),
    note='The choices are the two words that can fill the gap. The published '
    'prompts cut the sentence at the gap and ask the model to choose the rest.',
    templates=(
      Template('Fill in the gap.\n{sentence}\n{options}'),
      Template(
        '{sentence}\n\nWhat belongs in the place of _ here?\n\n{options}'
      ),
      Template(
        'Which of the two choices makes sense where the underscore is?\n\n'
        '"{sentence}"\n\n{options}'
      ),
      Template(
        'There is a smudge ("_") on the page: {sentence}\nThe word under the '
        'smudge must be\n{options}'
      ),
      Template('Incomplete: {sentence}\nMissing:\n{options}'),
      Template(
        'Both choices occur in the sentence, and grammar would allow either of '
        'them at the mark _ as well. Think about causes, habits and purposes. '
        'Then pick the one that is meant.\n\n{sentence}\n\n{options}'
      ),
      Template(
        'I was listening to the radio, and one word got lost in the noise (I '
        'write _ for it):\n{sentence}\nWho or what was it?\n{options}'
      ),
      Template(
        'Worksheet 4. Write on the line who or what the author means at that '
        'point.\n\n{sentence}\n\n{options}'
      ),
      Template(
        'Part of a film subtitle is missing, and an underscore marks the place.'
        '\n{sentence}\nSupply what is missing.\n\n{options}'
      ),
      Template(
        'One of the two answers makes the statement plausible, and the other '
        'makes it strange.\nStatement: {sentence}\nThe plausible answer for '
        '"_":\n{options}'
      ),
    ),
  )
)

_WSC273_TEMPLATES = (
  Template(
    '{beginning} ...\n\nHow does this go on in a way that makes sense?\n'
    '{options}'
  ),
  Template(
    'The two endings are about different people or things. Choose the one that '
    'agrees with common sense.\n\nBeginning: {beginning}\n\n{options}'
  ),
  Template(
    'Somebody was interrupted after the words "{beginning}". What were they '
    'about to say?\n{options}'
  ),
  Template('Finish: {beginning}\n{options}'),
  Template(
    'An old manuscript is torn. This much can still be read:\n\n{beginning}\n\n'
    'What was most likely on the part that was torn off?\n{options}'
  ),
  Template('First half: {beginning}\nSecond half:\n{options}'),
  Template(
    'Either continuation is grammatical, but one of them makes the text odd. '
    'Take the other one.\n{beginning}\n\n{options}'
  ),
  Template(
    'In a listening test, you hear the opening of a remark. Predict who or '
    'what is named next and what is said about them.\n\nYou hear: "{beginning}"'
    '\n\n{options}'
  ),
  Template(
    'Given how people and things usually behave, the text "{beginning}" is '
    'best completed by the words\n\n{options}'
  ),
  Template(
    'A page of the story ends in the middle of a sentence:\n\n"{beginning}"\n\n'
    'The next page starts with the character or object that the author means. '
    'How does it start?\n{options}'
  ),
)

WSC = register(
  Dataset(
    name='wsc',
    title='Coreference resolution: WSC',
    version='1.0.0',
    cluster='coreference',
    source='super_glue/wsc:1.0.2',
    homepage='https://cs.nyu.edu/~davise/papers/WinogradSchemas/WS.html',
    licence='CC BY 4.0',
    splits={
      'train': 'train[:-50]',
      'validation': 'train[-50:]',
      'test': 'validation',
    },
    rows={'train': 504, 'validation': 50, 'test': 104},
    fields={
      'text': _marked_text,
      'candidate': _candidate,
      'pronoun': _pronoun,
    },
    metrics=('accuracy',),
    truncatable='text',
    group_key=('text',),
    parts=(
      Part(
        'wsc',
        label='label',
        choices={'False': 'no', 'True': 'yes'},
        note='Asterisks mark the pronoun in question, which often occurs '
        'several times. The published prompts do not show which one is meant.',
      ),
      Part(
        'wsc273',
        title='Coreference resolution: WSC273',
        source='wsc273:1.0.0',
        splits={'test': 'test'},
        rows={'test': 273},
        fields={'beginning': _beginning},
        options=_endings,
        correct=_is_label,
        truncatable='beginning',
        group_key=('beginning',),
        templates=_WSC273_TEMPLATES,
        note='Completion, as in the paper: the prompt is the text up to the '
        'pronoun, and each choice is a candidate with the rest of the text. '
        'There is no validation split to choose a template on.',
      ),
    ),
    templates=(
      Template(
        '{text}\n\nIn the passage above, does *{pronoun}* refer to '
        '"{candidate}"?\n{options}'
      ),
      Template(
        'Text: {text}\nPronoun: *{pronoun}*\nCandidate: {candidate}\nMatch:\n'
        '{options}'
      ),
      Template(
        'A pronoun is set between asterisks. Answer "yes" if "{candidate}" is '
        'what it stands for and "no" if it stands for anything else.\n\n'
        '{text}\n\nPronoun in question: {pronoun}\n\n{options}'
      ),
      Template(
        'Would it be right to put "{candidate}" where it says *{pronoun}*?\n\n'
        '{text}\n{options}'
      ),
      Template(
        'Somebody told me this: "{text}"\nI took *{pronoun}* to mean '
        '"{candidate}". Was I right?\n\n{options}'
      ),
      Template(
        'Draw an arrow from *{pronoun}* to the phrase that it points back to. '
        'Does your arrow end at "{candidate}"?\n{text}\n\n{options}'
      ),
      Template(
        'Think about who would do what, and why.\n\n{text}\n\nBy *{pronoun}*, '
        'does the author mean "{candidate}"?\n{options}'
      ),
      Template(
        'Task for an annotator: mark "{candidate}" and *{pronoun}* with "yes" '
        'if both name the same person or thing, and with "no" if they do not.'
        '\n\n{text}\n{options}'
      ),
      Template(
        "An author's draft: {text}\n\nThe editor finds *{pronoun}* unclear and "
        'asks whether it means "{candidate}". What does the author reply?\n\n'
        '{options}'
      ),
      Template(
        'A reader thinks that *{pronoun}* stands for "{candidate}" in these '
        'lines:\n{text}\nIs the reader correct?\n{options}'
      ),
    ),
  )
)
