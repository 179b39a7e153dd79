"""Reading comprehension: 5 datasets with 6 parts, questions about a text.

Answers are yes or no (BoolQ, MultiRC), one of the row's own choices
(OpenBookQA) or free text (DROP, SQuAD).
"""

from etils import epy
from flan_jax.tasks.fields import question, tidied, tidy

from flan_jax.definitions.dataset import Dataset, Part, Template
from flan_jax.definitions.registry import register

with epy.lazy_imports():
  import tensorflow as tf

_NO, _YES = 'no', 'yes'
_UNANSWERABLE = 'unanswerable'

# Marks of sentences and layout in the first release of MultiRC.
_MARKUP = r'\bSent \d+:|</?[A-Za-z]+\s*/?>'


def _unescaped(text):
  """Decodes numeric HTML entities: 'caf&#233;' becomes 'café'."""
  pieces = tf.strings.split(text, '&#')
  head, tails = pieces[:1], pieces[1:]
  known = tf.strings.regex_full_match(tails, r'(?s)\d{1,7};.*')
  number = tf.strings.regex_replace(tails, r'(?s)^(\d{1,7});.*', r'\1')
  # Anything else gets its '&' (number 38) back.
  codes = tf.strings.to_number(tf.where(known, number, '38'), tf.int32)
  rest = tf.where(
    known,
    tf.strings.regex_replace(tails, r'^\d{1,7};', ''),
    tf.strings.join(['#', tails]),
  )
  characters = tf.strings.unicode_encode(codes[:, tf.newaxis], 'UTF-8')
  return tf.strings.reduce_join(
    tf.concat([head, tf.strings.join([characters, rest])], axis=0)
  )


def _asked(text):
  """Returns the question with its mark; "Name two." keeps its period.

  "Who won" and the typos "Who won." and "Who won/" all become "Who won?".
  """
  text = tf.strings.regex_replace(text, r'\s*[>/,;]+$', '')
  slip = r'^((?i:wh\w+|how)\b[^?]*[^?A-Z])\.$'
  text = tf.strings.regex_replace(text, slip, r'\1?')
  request = tf.strings.regex_full_match(text, r'.*[.!:]"?')
  return tf.where(request, text, question(text))


def _boolq_passage(row):
  return tidy(row['passage'])


def _clean_question(row):
  return _asked(tidy(row['question']))


def _truth(row):
  """Returns the class of a boolean."""
  return tf.where(row['answer'], 'true', 'false')


BOOL_Q = register(
  Dataset(
    name='bool_q',
    title='Reading comprehension: BoolQ',
    version='1.0.0',
    cluster='reading_comprehension',
    source='bool_q:1.0.0',
    homepage='https://github.com/google-research-datasets/boolean-questions',
    licence='CC BY-SA 3.0',
    splits={
      'train': 'train[:-200]',
      'validation': 'train[-200:]',
      'test': 'validation',
    },
    rows={'train': 9227, 'validation': 200, 'test': 3270},
    fields={
      'title': tidied('title'),
      'passage': _boolq_passage,
      'question': _clean_question,
    },
    optional=('title',),
    label=_truth,
    choices={'false': _NO, 'true': _YES},
    metrics=('accuracy',),
    truncatable='passage',
    group_key=('passage',),
    plain=(Template('{passage}\n{question}'),),
    templates=(
      Template(
        'Read the extract, then answer the question with a plain yes or no.\n\n'
        '{passage}\n\n{question}\n\n{options}'
      ),
      Template(
        'Passage: {passage}\nQuestion: {question}\nAnswer:\n{options}',
      ),
      Template(
        'Somebody typed into a search engine: {question}\n\nThe best page that '
        'it found is called "{title}" and contains these lines:\n{passage}\n\n'
        'What should the short reply at the top of the results be?\n{options}'
      ),
      Template(
        '{question} I am not certain, but the encyclopedia on my shelf says '
        'this:\n\n"{passage}"\n\nDoes that make it a yes or a no?\n{options}'
      ),
      Template(
        'An article entitled "{title}" contains this paragraph.\n\n'
        '{passage}\n\nGoing by the paragraph, {question}\n{options}'
      ),
      Template(
        'In a pub quiz, the host first reads out some facts.\n\n{passage}\n\n'
        'Then the host asks: "{question}"\nWhich of the two buttons do you '
        'press?\n\n{options}'
      ),
      Template(
        'Choose "yes" if the text supports a positive answer, and "no" if it '
        'supports a negative one.\n\nAsked: {question}\nText: {passage}\n\n'
        '{options}'
      ),
      Template(
        'My daughter would like to know: {question}\nWe have a book with a '
        'chapter called "{title}".\n{passage}\n\nWhat should I say to her?\n\n'
        '{options}'
      ),
      Template(
        '{passage}\n\nUse only the information above to decide this: {question}'
        '\n\n{options}'
      ),
      Template(
        '{passage}\n\nThink of a question about these lines that has to be '
        'answered with "{answer}".',
        target='{question}',
        inverted=True,
      ),
    ),
  )
)


def _drop_passage(row):
  return tidy(_unescaped(row['passage']))


def _drop_question(row):
  return _asked(tidy(_unescaped(row['question'])))


def _drop_answers(row):
  """Returns the distinct answers of all annotators.

  Dates, which the builder writes as '1944-June-6', become '6 June 1944'.
  """
  texts = tf.concat([[row['answer']], row['validated_answers']], axis=0)
  texts = tidy(tf.map_fn(_unescaped, texts))
  texts = tidy(
    tf.strings.regex_replace(texts, r'^(\d*)-([A-Z]\w+)-(\d+)$', r'\3 \2 \1')
  )
  return tf.unique(tf.boolean_mask(texts, texts != ''))[0]


def _has_answer(row):
  """Drops rows whose answers are all empty, such as dates without a day."""
  return tf.size(_drop_answers(row)) > 0


DROP = register(
  Dataset(
    name='drop',
    title='Reading comprehension: DROP',
    version='1.0.0',
    cluster='reading_comprehension',
    source='drop:2.0.0',
    homepage='https://allenai.org/data/drop',
    licence='CC BY-SA 4.0',
    # `dev` is TFDS's name for the official validation set of DROP.
    splits={
      'train': 'train[:30000]',
      'validation': 'train[-200:]',
      'test': 'dev',
    },
    rows={'train': 30000, 'validation': 200, 'test': 9536},
    fields={'passage': _drop_passage, 'question': _drop_question},
    answers=_drop_answers,
    keep=_has_answer,
    metrics=('drop_f1', 'drop_em', 'squad_f1'),
    truncatable='passage',
    group_key=('passage',),
    note=(
      'F1 over the answers of all annotators; the published code compares '
      'with the first answer only. TFDS keeps only the first span of a '
      'multi-span answer and omits dates without a day; rows left without an '
      'answer are dropped.'
    ),
    templates=(
      Template(
        '{passage}\n\n{question}\nAnswer with a number, a date or a few words.'
      ),
      Template('Record: {passage}\nQuery: {question}\nResult:'),
      Template(
        'Work out the following from the report below. It may be necessary to '
        'add, subtract, count or compare things that it mentions.\n\nTask: '
        '{question}\n\nReport: {passage}'
      ),
      Template(
        'I found this in a newspaper, a history book or an almanac:\n\n'
        '{passage}\n\nA reader asks: "{question}"\nHow would you respond, as '
        'briefly as possible?'
      ),
      Template('{question}\n\nThese paragraphs will help: {passage}'),
      Template(
        'I have been staring at this page for ten minutes.\n\n"{passage}"\n\n'
        'Can you help? {question} Just the bare answer, thanks.'
      ),
      Template(
        'Exam, part B: numbers in texts. Study the text closely and write '
        'nothing but the solution.\n\n{passage}\n\nExercise: {question}\n'
        'Solution:'
      ),
      Template(
        'An assistant receives a document together with a request.\n'
        'Request: {question}\nDocument: {passage}\nThe assistant states, '
        'without any explanation:'
      ),
      Template(
        '{passage}\n\nAsk a tricky question about this account whose correct '
        'answer is "{answer}".',
        target='{question}',
        inverted=True,
      ),
      Template(
        'The answer key of a reading test says "{answer}". What were pupils '
        'asked to find out from the text?\n\n{passage}',
        target='{question}',
        inverted=True,
      ),
    ),
  )
)


def _multirc_passage(row):
  return tidy(tf.strings.regex_replace(row['paragraph'], _MARKUP, ' '))


def _multirc_question(row):
  return _asked(tidy(row['question']))


def _multirc_candidate(row):
  return tidy(row['answer'])


MULTIRC = register(
  Dataset(
    name='multirc',
    title='Reading comprehension: MultiRC',
    version='1.0.0',
    cluster='reading_comprehension',
    source='super_glue/multirc:1.0.2',
    homepage='https://cogcomp.seas.upenn.edu/multirc/',
    licence='not stated',
    splits={
      'train': 'train[:-200]',
      'validation': 'train[-200:]',
      'test': 'validation',
    },
    rows={'train': 27043, 'validation': 200, 'test': 4848},
    fields={
      'passage': _multirc_passage,
      'question': _multirc_question,
      'candidate': _multirc_candidate,
    },
    label='label',
    choices={'False': _NO, 'True': _YES},
    metrics=('f1:True', 'exact_by_item', 'accuracy'),
    truncatable='passage',
    group_key=('passage',),
    item_key=('passage', 'question'),
    derived_from=('cnn_dailymail',),
    note=(
      'F1 of the correct answers over all candidates, and the share of '
      'questions whose candidates are all judged correctly.'
    ),
    templates=(
      Template(
        '{passage}\n\n{question}\n\nIs "{candidate}" a right answer to that?\n'
        '{options}'
      ),
      Template(
        'Paragraph: {passage}\nQuestion: {question}\nProposed answer: '
        '{candidate}\nCorrect:\n{options}'
      ),
      Template(
        'You mark a test in which a question can have several right answers. '
        'Put "yes" next to an answer that the text supports, and "no" next to '
        'one that it does not.\n\nText: {passage}\n\n{question}\nHanded in: '
        '{candidate}\n\n{options}'
      ),
      Template(
        'A boy was asked: "{question}"\nHe said: "{candidate}"\nHis class had '
        'just read this:\n\n{passage}\n\nDoes he get a point?\n\n{options}'
      ),
      Template(
        'Two friends of mine disagree about this: {question}\nOne says: '
        '{candidate}\nThe other shakes her head. Both of them have read this:'
        '\n\n{passage}\n\nIs the first friend right?\n{options}'
      ),
      Template(
        'Read the material and decide whether the reply is acceptable.\n\n'
        '{passage}\n\nQ: {question}\nReply: {candidate}\n\n{options}'
      ),
      Template(
        'Would you tick this box?\n\n{question}\n[ ] {candidate}\n\nEverything '
        'you need to know is here: {passage}\n{options}'
      ),
      Template(
        '{question}\n\nAccording to the source below, is it correct to respond '
        '"{candidate}"?\n{passage}\n\n{options}'
      ),
      Template(
        '{passage}\n\n{question} Give one correct answer.',
        target='{candidate}',
        inverted=True,
        only_if=('True',),
      ),
      Template(
        'For a multiple-choice quiz, invent an answer that sounds plausible '
        'but is false.\n\nReading: {passage}\nQuiz: {question}',
        target='{candidate}',
        inverted=True,
        only_if=('False',),
      ),
    ),
  )
)


def _fact(row):
  return tf.strings.regex_replace(tidy(row['fact1']), r'[.\s]+$', '')


def _stem(row):
  return tidy(row['question']['stem'])


def _choices(row):
  given = [row['question'][f'choice_{letter}'] for letter in 'ABCD']
  return tidy(tf.stack(given))


def _key(row):
  return tf.range(4) == tf.cast(row['answerKey'], tf.int32)


def _usable_choices(row):
  """Drops rows with an empty or a repeated choice."""
  choices = _choices(row)
  distinct = tf.size(tf.unique(choices)[0]) == tf.size(choices)
  return distinct & tf.reduce_all(choices != '')


def _stem_asks(row):
  return tf.strings.regex_full_match(row['stem'], r'.*\?')


def _stem_breaks_off(row):
  return tf.strings.regex_full_match(row['stem'], r'.*[\w,]')


OPENBOOKQA = register(
  Dataset(
    name='openbookqa',
    title='Reading comprehension: OpenBookQA',
    version='1.0.0',
    cluster='reading_comprehension',
    source='openbookqa:0.1.0',
    homepage='https://allenai.org/data/open-book-qa',
    licence='not stated',
    splits={'train': 'train', 'validation': 'validation[:200]', 'test': 'test'},
    rows={'train': 4957, 'validation': 200, 'test': 500},
    # The stem is a question or the start of a sentence.
    fields={'fact': _fact, 'stem': _stem},
    options=_choices,
    correct=_key,
    keep=_usable_choices,
    metrics=('accuracy',),
    truncatable='stem',
    group_key=('fact',),
    note=(
      "The prompt shows the row's fact, as in FLAN. GPT-3's prompt does not, "
      'so the numbers cannot be compared.'
    ),
    templates=(
      Template('Keep this in mind: {fact}\n\n{stem}\n{options}'),
      Template(
        'Fact: {fact}\nTo be answered or finished: {stem}\nBest choice:\n'
        '{options}'
      ),
      Template('{stem}\n\nHint: {fact}\n\n{options}'),
      Template(
        'One of the choices either answers line 1 or completes it. Use line 2 '
        'to find out which.\nLine 1: {stem}\nLine 2: {fact}\n\n{options}'
      ),
      Template(
        'A science teacher has written on the board: "{fact}"\n\nNow she turns '
        'to her class and says: "{stem}"\nWhat should they call out?\n{options}'
      ),
      Template(
        'Primary school science, multiple choice. Combine the rule with '
        'everyday knowledge.\n\n{stem}\nRule: {fact}\n\n{options}'
      ),
      Template(
        'My textbook states: {fact}\nMy worksheet says: {stem}\nSo which one '
        'is it?\n\n{options}'
      ),
      Template(
        'Given the general truth "{fact}", pick what best answers or completes '
        'the words below.\n{stem}\n{options}'
      ),
      Template(
        '{stem}\n{answer}\n\nWhich fact about nature or technology explains '
        'this?',
        target='{fact}',
        inverted=True,
      ),
      Template(
        'Make up a question that tests whether somebody understands this: '
        '{fact}\nThe answer should be "{answer}".',
        target='{stem}',
        inverted=True,
        only_if=_stem_asks,
      ),
      Template(
        'Begin a sentence that could end in "{answer}" and that illustrates '
        'this principle: {fact}',
        target='{stem}',
        inverted=True,
        only_if=_stem_breaks_off,
      ),
    ),
  )
)


def _subject(row):
  return tidy(tf.strings.regex_replace(row['title'], '_', ' '))


def _context(row):
  return tidy(row['context'])


def _squad_answers(row):
  return tf.unique(tidy(row['answers']['text']))[0]


def _answers_or_none(row):
  """Returns the answers, or the word for no answer."""
  texts = tf.concat([_squad_answers(row), [_UNANSWERABLE]], axis=0)
  return texts[: tf.maximum(tf.size(texts) - 1, 1)]


def _is_answerable(row):
  return row['answer'] != _UNANSWERABLE


_SQUAD_V1_TEMPLATES = (
  Template('{passage}\n\n{question}\nCopy the answer out of the text.'),
  Template(
    'Article: {title}\nExcerpt: {passage}\nQuestion: {question}\nAnswer:'
  ),
  Template(
    'Somewhere in this paragraph is the answer that I need.\n\n{passage}\n\n'
    'Which words tell me this? {question}'
  ),
  Template(
    '{question}\n\nThe text below says so. Quote just what you need for a '
    'reply.\n{passage}'
  ),
  Template(
    'A visitor asks the librarian: "{question}"\nThe librarian opens an '
    'encyclopedia at "{title}" and reads:\n\n{passage}\n\nWhat does she tell '
    'the visitor, in as few words as she can?'
  ),
  Template(
    'Underline the shortest part of the passage that answers what is asked.\n'
    'Passage: "{passage}"\nAsked: {question}\nUnderlined:'
  ),
  Template(
    'I am preparing a talk with the working title "{title}" and need one more '
    'detail. {question}\n\nThese are my notes: {passage}'
  ),
  Template('Quick one, no full sentence needed: {question}\n\n"{passage}"'),
  Template(
    'Here is part of an article with the heading "{title}".\n\n{passage}\n\n'
    'What could one ask about it to get the answer "{answer}"?',
    target='{question}',
    inverted=True,
  ),
  Template(
    'Text: {passage}\nAnswer: {answer}\nFitting question:',
    target='{question}',
    inverted=True,
  ),
)

_SQUAD_V2_TEMPLATES = (
  Template(
    '{passage}\n\n{question}\nIf the passage does not say, write '
    '"unanswerable"; otherwise give the answer in its own words.'
  ),
  Template(
    'Topic: {title}\nText: {passage}\nQuestion: {question}\nAnswer from the '
    'text, or else "unanswerable":'
  ),
  Template(
    'Some questions that we receive about this paragraph have no answer in it. '
    'Reply to those with "unanswerable" and to all others with the exact '
    'phrase from the paragraph.\n\nParagraph: {passage}\nReceived: {question}'
  ),
  Template(
    '{question}\n\nSearch the lines below. If they deal with something else, '
    '"unanswerable" is the only right reply.\n\n{passage}'
  ),
  Template(
    'You help the readers of an encyclopedia and rely on its entries alone. '
    'Today a reader wants to know: {question}\n\nEntry "{title}":\n{passage}'
    '\n\nSend back a short quotation from the entry, or the word '
    '"unanswerable" if the entry does not say.'
  ),
  Template(
    'Is this answered below? {question} If so, quote the answer; if not, put '
    '"unanswerable".\n\n"{passage}"'
  ),
  Template(
    'Reading test with traps. A trap asks for something that the author leaves '
    'open: mark it as "unanswerable". Answer everything else with a few words '
    'taken from the page.\n\n{passage}\n\nNumber 1. {question}'
  ),
  Template(
    'This is my summary of the chapter "{title}":\n{passage}\n\nA listener may '
    'ask: "{question}"\nWhat should I say then? Just "unanswerable" will do if '
    'my summary does not tell.'
  ),
  Template(
    'Extract: {passage}\n\nDoes the extract answer this? {question}\nIf so, '
    'name what it reveals; otherwise say "unanswerable".'
  ),
  Template(
    'Write a question that can be answered with "{answer}" after reading the '
    'following piece.\n\n{passage}',
    target='{question}',
    inverted=True,
    only_if=_is_answerable,
  ),
)

SQUAD = register(
  Dataset(
    name='squad',
    title='Reading comprehension: SQuAD',
    version='1.0.0',
    cluster='reading_comprehension',
    source='squad/v1.1:3.0.0',
    homepage='https://rajpurkar.github.io/SQuAD-explorer/',
    licence='CC BY-SA 4.0',
    splits={
      'train': 'train[:30000]',
      'validation': 'train[-200:]',
      'test': 'validation',
    },
    rows={'train': 30000, 'validation': 200, 'test': 10570},
    fields={
      'title': _subject,
      'passage': _context,
      'question': _clean_question,
    },
    optional=('title',),
    answers=_squad_answers,
    metrics=('squad_f1', 'squad_em'),
    truncatable='passage',
    group_key=('passage',),
    plain=(Template('{passage}\n{question}'),),
    templates=_SQUAD_V1_TEMPLATES,
    parts=(
      Part('squad_v1', title='Reading comprehension: SQuAD v1.1'),
      Part(
        'squad_v2',
        title='Reading comprehension: SQuAD v2.0',
        source='squad/v2.0:3.0.0',
        rows={'train': 30000, 'validation': 200, 'test': 11873},
        answers=_answers_or_none,
        templates=_SQUAD_V2_TEMPLATES,
        note=(
          'The answer to an unanswerable question is the word '
          '"unanswerable", which is compared like any other answer.'
        ),
      ),
    ),
  )
)
