"""The source code of a task module for a file, written from its columns."""

from collections.abc import Mapping
import re
from typing import Any

from flan_jax.sources.arrow_tables import Tables
from flan_jax.sources.table_files import TableError

# Columns that people give to the answer, likeliest first.
_ANSWERS = (
  *('label', 'class', 'category', 'queue', 'sentiment', 'intent', 'topic'),
  *('answer', 'target', 'output', 'response', 'completion', 'summary'),
)
# A column of classes has at most so many values of at most so many characters,
# and on average each of them occurs this often.
_MOST_CLASSES, _LONGEST_CLASS, _ROWS_PER_CLASS = 20, 60, 2

_MODULE = '''\
"""The dataset {name}."""

import flan_jax as fj

fj.dataset(
  name={name!r},
  source={source!r},
  # What templates show: name -> column.
  fields={fields},
{answer}
  # One or more. The tasks are {name}.t0, {name}.t1 and so on.
  templates=({template},),
)
'''


def write_module(name: str, source: str, tables: Tables) -> str:
  """Returns a module that declares a dataset, ready to be used and improved.

  The answer is guessed: a column that is named as an answer, or else the last
  one that looks like classes, or else the last one of text.

  Args:
    name: Name of the dataset.
    source: Its source, such as `csv:rows.csv`.
    tables: The rows of the source.

  Raises:
    TableError: There are fewer than two columns to show and to answer with.
  """
  shown = [c for c, kind in tables.features.items() if _is_plain(kind)]
  classes = {c: found for c in shown if (found := _classes_of(tables, c))}
  answer = _answer(shown, classes)
  fields = {
    _field_name(column): column
    for column in shown
    if column != answer and not _numbers_rows(tables, column)
  }
  if answer is None or not fields:
    raise TableError(
      f'{source} has the columns {list(tables.features)}: at least one text to '
      'show and one answer are needed'
    )
  lines = [f'    {field!r}: {column!r},' for field, column in fields.items()]
  shown_text = '\\n\\n'.join(f'{{{field}}}' for field in fields)
  if answer in classes:
    asked = f'What is the {_words(answer)}?\\n{{options}}'
    told = _choices(answer, classes[answer])
  else:
    asked = f'Write the {_words(answer)}.'
    told = f'  answers={answer!r},'
  return _MODULE.format(
    name=name,
    source=source,
    fields='\n'.join(['{', *lines, '  }']),
    answer=told,
    template=f"'{shown_text}\\n\\n{asked}'",
  )


def _choices(column: str, classes: Mapping[str, str]) -> str:
  lines = [f'    {value!r}: {words!r},' for value, words in classes.items()]
  return '\n'.join(
    [
      f'  label={column!r},',
      '  # Value of the column -> words of the answer.',
      '  choices={',
      *lines,
      '  },',
    ]
  )


def _is_plain(kind: Any) -> bool:
  """Whether a column holds one text, number or class a row."""
  return isinstance(kind, str | list)


def _classes_of(tables: Tables, column: str) -> dict[str, str]:
  """Returns value -> words of a column that looks like classes, or nothing."""
  if names := tables.classes.get(column):
    return {name: name for name in names}
  if tables.features[column] == 'float64':
    return {}
  values = [x for t in tables.splits.values() for x in t[column].to_pylist()]
  texts = [str(x).lower() if isinstance(x, bool) else str(x) for x in values]
  found = dict.fromkeys(sorted(texts))
  few = 2 <= len(found) <= min(_MOST_CLASSES, len(texts) // _ROWS_PER_CLASS)
  short = all(text.strip() and len(text) <= _LONGEST_CLASS for text in found)
  if not few or not short:
    return {}
  words = {text: ' '.join(text.split()) for text in found}
  return words if len(set(words.values())) == len(words) else {}


def _answer(shown: list[str], classes: Mapping[str, Any]) -> str | None:
  named = {column.lower(): column for column in shown}
  for name in _ANSWERS:
    if name in named:
      return named[name]
  return next(iter([*reversed(classes), *reversed(shown)]), None)


def _numbers_rows(tables: Tables, column: str) -> bool:
  """Whether a column tells rows apart and says nothing, as a number or id."""
  words = re.split(r'[^a-z]+', column.lower())
  if {'id', 'uuid', 'index', 'idx'} & set(words):
    return True
  values = [x for t in tables.splits.values() for x in t[column].to_pylist()]
  numbered = all(str(value).isdigit() for value in values)
  return numbered and len(set(values)) == len(values)


def _field_name(column: str) -> str:
  """Returns a column as a name of a field.

  >>> _field_name('Customer Message')
  'customer_message'
  """
  name = re.sub(r'[^a-z0-9]+', '_', column.lower()).strip('_') or 'text'
  return f'the_{name}' if name in ('options', 'answer') else name


def _words(column: str) -> str:
  return _field_name(column).replace('_', ' ')
