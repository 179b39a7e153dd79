"""Closed-book QA: 3 datasets with 4 parts, answered without a text."""

from etils import epy
from flan_jax.tasks.fields import question, tidied, tidy

from flan_jax.definitions.dataset import Dataset, Part, Template
from flan_jax.definitions.registry import register

with epy.lazy_imports():
  import tensorflow as tf

# The placeholder for TriviaQA's hidden test answers.
_UNKNOWN = '<unk>'


def _choices(row):
  """Returns the distinct choices."""
  texts = tidy(row['choices']['text'])
  return tf.unique(tf.boolean_mask(texts, tf.not_equal(texts, ''))).y


def _right_choice(row):
  """Looks up the key among the labels, as items have 3 to 5 choices."""
  texts = tidy(row['choices']['text'])
  right = tf.boolean_mask(texts, row['choices']['label'] == row['answerKey'])
  return tf.reduce_any(_choices(row)[:, None] == right[None, :], axis=1)


def _is_answerable(row):
  """Drops items with fewer than two choices or without the key's choice."""
  right = _right_choice(row)
  return tf.reduce_any(right) & (tf.size(right) >= 2)


def _query(row):
  return question(row['question'])


def _distinct(answers):
  """Returns the distinct non-empty answers, tidied, in order."""
  answers = tidy(answers)
  return tf.unique(tf.boolean_mask(answers, tf.not_equal(answers, ''))).y


def _query_answers(row):
  return _distinct(row['answer'])


def _unquoted(text):
  """Removes the published file's quotation marks around and within a text."""
  text = tf.strings.regex_replace(tidy(text), r'^"((?:[^"]|"")*)"$', r'\1')
  return tidy(tf.strings.regex_replace(text, '""', '"'))


def _quiz_question(row):
  """Returns the question with one question mark.

  Adds the mark if the text starts like a question and has none. Leaves
  statements and requests such as "Name the …" as they are.
  """
  text = _unquoted(row['question'])
  text = tf.strings.regex_replace(text, r'\s*\?(\s*\?)*', '?')
  asks = tf.strings.regex_full_match(
    text,
    r'(?i)(?:(?:about|after|at|by|for|from|in|of|on|to|under|with) )?'
    r'(?:how|what|when|where|which|who|whom|whose|why)\b[^?]*',
  )
  return tf.where(
    asks, tf.strings.regex_replace(text, r'[\s.,;:!]*$', '') + '?', text
  )


def _quiz_answers(row):
  """Returns the value as published, not lower-cased, then its aliases."""
  answer = row['answer']
  return _distinct(
    _unquoted(tf.concat([[answer['value']], answer['aliases']], axis=0))
  )


def _has_answer(row):
  value = tidy(row['answer']['value'])
  return tf.not_equal(value, '') & tf.not_equal(value, _UNKNOWN)


ARC = register(
  Dataset(
    name='arc',
    title='Closed-book QA: ARC',
    version='1.0.0',
    cluster='closed_book_qa',
    source='ai2_arc/ARC-Challenge:1.0.0',
    homepage='https://allenai.org/data/arc',
    licence='CC BY-SA 4.0',
    splits={
      'train': 'train[:-200]',
      'validation': 'train[-200:]',
      'test': 'test',
    },
    rows={'train': 919, 'validation': 200, 'test': 1172},
    fields={'question': tidied('question')},
    options=_choices,
    correct=_right_choice,
    keep=_is_answerable,
    metrics=('accuracy',),
    truncatable='question',
    group_key=('question',),
    note='Items with three or five choices are kept; FLAN dropped them.',
    parts=(
      Part('arc_challenge', title='Closed-book QA: ARC Challenge'),
      Part(
        'arc_easy',
        title='Closed-book QA: ARC Easy',
        source='ai2_arc/ARC-Easy:1.0.0',
        rows={'train': 2051, 'validation': 200, 'test': 2376},
      ),
    ),
    templates=(
      Template(
        'Here is an item from a school science test. Exactly one of the '
        'choices is right. Find out which.\n\n{question}\n{options}'
      ),
      Template('{question}\n\n{options}'),
      Template(
        'My daughter has to tick one box for this test item and cannot decide.'
        '\n\n{question}\n\nWhich box should it be?\n\n{options}'
      ),
      Template(
        'Science homework, due on Monday: {question}\nCorrect choice:\n'
        '{options}'
      ),
      Template(
        'Think about how nature works. Then reply, or finish the sentence if '
        'it breaks off.\n\n{question}\n\n{options}'
      ),
      Template(
        '{question}\n\nA teacher is marking the responses below. Only one of '
        'them earns the point. Find it.\n{options}'
      ),
      Template(
        'You are sitting an exam in biology, chemistry, physics and earth '
        'science.\nTask: {question}\nChoose what a scientist would agree with.'
        '\n{options}'
      ),
      Template('Q: {question}\nA:\n{options}'),
      Template(
        'Some items in this quiz are questions, and others stop in the middle '
        'of a sentence. Choose what correctly answers or completes this one:\n'
        '{question}\n\n{options}'
      ),
      Template(
        'Write a question, or the beginning of a sentence, for a science '
        'lesson so that this is its correct answer or ending: {answer}',
        target='{question}',
        inverted=True,
      ),
    ),
  )
)

NATURAL_QUESTIONS = register(
  Dataset(
    name='natural_questions',
    title='Closed-book QA: Natural Questions',
    version='1.0.0',
    cluster='closed_book_qa',
    source='natural_questions_open:1.0.0',
    homepage='https://github.com/google-research-datasets/natural-questions',
    licence='CC BY-SA 3.0',
    splits={
      'train': 'train[:30000]',
      'validation': 'train[-200:]',
      'test': 'validation',
    },
    rows={'train': 30000, 'validation': 200, 'test': 3610},
    fields={'question': _query},
    answers=_query_answers,
    metrics=('trivia_em', 'trivia_f1'),
    truncatable='question',
    group_key=('question',),
    templates=(
      Template(
        'Someone typed this into a search box:\n{question}\n\nReply with the '
        'fact they are after.'
      ),
      Template('Question: {question}\nAnswer:'),
      Template('Do you happen to know this?\n{question}'),
      Template(
        '{question} Keep it short: a name, a date or a handful of words will '
        'do.'
      ),
      Template(
        'Without looking anything up, how would you answer this?\n\n'
        '"{question}"'
      ),
      Template(
        'A user asks a voice assistant: {question}\nThe assistant gives a '
        'brief and accurate response:'
      ),
      Template(
        'Below is a query from the log of a search engine, with its spelling '
        'and capitals as they were typed. Work out what the user wants to '
        'know, and give the answer.\n\nQuery: {question}'
      ),
      Template(
        'I have been wondering about something all day.\n{question}\nCan you '
        'tell me?'
      ),
      Template(
        'Complete this entry in a list of facts.\n\nAsked: {question}\nCorrect '
        'answer:'
      ),
      Template(
        'A web search returned "{answer}" as its result. What was the query?',
        target='{question}',
        inverted=True,
      ),
    ),
  )
)

TRIVIA_QA = register(
  Dataset(
    name='trivia_qa',
    title='Closed-book QA: TriviaQA',
    version='1.0.0',
    cluster='closed_book_qa',
    source='trivia_qa/rc:1.1.0',
    homepage='https://nlp.cs.washington.edu/triviaqa/',
    licence='not stated; the authors do not own the questions and documents',
    splits={
      'train': 'train[:30000]',
      'validation': 'train[-200:]',
      'test': 'validation',
    },
    rows={'train': 30000, 'validation': 200, 'test': 18669},
    fields={'question': _quiz_question},
    answers=_quiz_answers,
    keep=_has_answer,
    metrics=('trivia_em', 'trivia_f1'),
    truncatable='question',
    group_key=('question',),
    note='Evaluated on the TFDS validation split, which is not the wiki-dev '
    'split of TriviaQA.',
    templates=(
      Template(
        'Quiz night. The host reads out:\n{question}\n\nWhat do you write on '
        'your sheet?'
      ),
      Template('{question}\nRespond in a few words:'),
      Template(
        'The last round of the show is about general knowledge. The host asks:'
        '\n{question}\nTo win the jackpot, the contestant has to say'
      ),
      Template('Card\nFront: {question}\nBack:'),
      Template(
        'Our team is stuck on this one. Could you help us out?\n{question}'
      ),
      Template(
        'Answer from memory, with no book or website at hand.\n\n{question}'
      ),
      Template(
        'Name the person, place, thing or number that is asked for: {question}'
      ),
      Template(
        'Two friends test each other over breakfast.\nMia: {question}\nTom: I '
        'know that! The answer is'
      ),
      Template(
        'The key at the back of a quiz book lists one correct answer for every '
        'question.\n\nQuestion: {question}\n\nEntry in the key:'
      ),
      Template(
        'Write a question for an evening at the pub. Teams that answer '
        '"{answer}" get the point.',
        target='{question}',
        inverted=True,
      ),
    ),
  )
)
