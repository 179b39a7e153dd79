"""Rows of the mini corpus in the layout of the Hugging Face hub."""

from collections.abc import Callable
from typing import Any

from tests.tasks import tfds_features

Row = dict[str, Any]


def named(source: str, row: Row) -> Row:
  """Returns a TFDS row with names of classes instead of numbers."""
  names = tfds_features.features(source)
  return {
    column: names[column][value]
    if names.get(column) and isinstance(value, int)
    else value
    for column, value in row.items()
    if column != '_split'
  }


def hub_row(source: str, row: Row) -> Row:
  """Returns a row as the hub's copy has it, with names of classes."""
  row = named(source, row)
  change = _CHANGES.get(source) or _CHANGES.get(source.partition('/')[0])
  return change(row) if change else row


def _without(*columns: str) -> Callable[[Row], Row]:
  return lambda row: {k: v for k, v in row.items() if k not in columns}


def _anli(row: Row) -> Row:
  words = {'e': 'entailment', 'n': 'neutral', 'c': 'contradiction'}
  return {
    'uid': row['uid'],
    'premise': row['context'],
    'hypothesis': row['hypothesis'],
    'label': words[row['label']],
    'reason': '',
  }


def _arc(row: Row) -> Row:
  # Questions of four choices or fewer may number them.
  names = '1234' if len(row['choices']['label']) <= 4 else 'ABCDE'
  labels = [names[label] for label in row['choices']['label']]
  answer = names['ABCDE'.index(row['answerKey'])]
  choices = {'text': row['choices']['text'], 'label': labels}
  return {**row, 'choices': choices, 'answerKey': answer}


def _hellaswag(row: Row) -> Row:
  return {
    'ind': 4,
    'activity_label': row['activity_label'],
    'ctx_a': '',
    'ctx_b': '',
    'ctx': row['context'],
    'endings': row['endings'],
    'source_id': row['source_id'],
    'split': 'train',
    'split_type': row['split_type'],
    'label': str(row['label']),
  }


def _winogrande(row: Row) -> Row:
  return {**_without('label')(row), 'answer': row['label']}


def _wsc273(row: Row) -> Row:
  return {
    'text': row['text'],
    'pronoun': row['pronoun_text'],
    'pronoun_loc': row['pronoun_start'],
    'quote': '',
    'quote_loc': 0,
    'options': [row['option1'], row['option2']],
    'label': str(row['label']),
    'source': '',
  }


def _quac(row: Row) -> Row:
  def listed(answers):
    return {
      'texts': [answers['text']],
      'answer_starts': [answers['answer_start']],
    }

  return {
    'dialogue_id': 'C_1',
    'wikipedia_page_title': row['title'],
    'background': row['background'],
    'section_title': row['section_title'],
    'context': row['context'],
    'turn_ids': ['C_1_q#0'],
    'questions': [row['question']],
    'followups': [row['followup']],
    'yesnos': [row['yesno']],
    'answers': listed(row['answers']),
    'orig_answers': listed(row['orig_answer']),
  }


def _trec(row: Row) -> Row:
  coarse = row['label-coarse']
  return {
    'text': row['text'],
    'coarse_label': coarse,
    'fine_label': f'{coarse}:{row["label-fine"]}',
  }


def _math(row: Row) -> Row:
  return {column: f"b'{text}\\n'" for column, text in row.items()}


def _paws(row: Row) -> Row:
  label = str(['different_meaning', 'paraphrase'].index(row['label']))
  return {'id': 1, **row, 'label': label}


def _openbookqa(row: Row) -> Row:
  question = row['question']
  texts = [question[f'choice_{letter}'] for letter in 'ABCD']
  return {
    **_without('question')(row),
    'id': '7-980',
    'question_stem': question['stem'],
    'choices': {'text': texts, 'label': list('ABCD')},
  }


def _sentiment140(row: Row) -> Row:
  return {**_without('polarity')(row), 'sentiment': row['polarity']}


def _dart(row: Row) -> Row:
  triples = [triple.split(' ', 2) for triple in row['tripleset']]
  return {**row, 'tripleset': triples}


def _wmt(row: Row) -> Row:
  return {'translation': row}


# TFDS source, or its dataset -> how the hub's layout differs.
_CHANGES = {
  'anli': _anli,
  'ai2_arc': _arc,
  'hellaswag:1.1.0': _hellaswag,
  'piqa:1.0.0': _without('id'),
  'winogrande:1.2.0': _winogrande,
  'wsc273:1.0.0': _wsc273,
  'quac:1.0.0': _quac,
  'trec:1.0.0': _trec,
  'math_dataset': _math,
  'paws_wiki': _paws,
  'bool_q:1.0.0': _without('title'),
  'openbookqa:0.1.0': _openbookqa,
  'squad/v2.0:3.0.0': _without('is_impossible', 'plausible_answers'),
  'sentiment140:1.0.0': _sentiment140,
  'gem/dart:1.1.0': _dart,
  'cnn_dailymail:3.4.0': _without('publisher'),
  'wmt14_translate': _wmt,
  'wmt16_translate': _wmt,
}
