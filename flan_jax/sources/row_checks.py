"""Checks that the answers in files are what a dataset declares."""

from collections.abc import Iterator
import functools
from typing import Any

from flan_jax.definitions.checks import check_columns
from flan_jax.definitions.dataset import Dataset, DatasetError
from flan_jax.sources.arrow_tables import Tables, read_tables
from flan_jax.sources.own_dataset import is_correct
from flan_jax.sources.table_files import find_files, is_table


def check_files(part: Dataset, data_dir: str | None) -> None:
  """Checks columns and answers if the source of a resolved part is of files.

  Raises:
    DatasetError: See `check_columns` and `check_answers`.
    TableError: A file cannot be read.
  """
  files = find_files(part.source, data_dir) if is_table(part.source) else None
  if files is not None:
    tables = read_tables(files)
    check_columns(part, tables.features)
    check_answers(part, tables)


def check_answers(part: Dataset, tables: Tables) -> None:
  """Checks each row's label, right option or answer.

  Rows of a part with `keep` are not checked, because they may be dropped. Nor
  are answers that a function of the row computes.

  Args:
    part: The resolved part, whose columns exist.
    tables: The rows of its source.

  Raises:
    DatasetError: Names the first row that has no answer, and the column.
  """
  if part.keep is not None:
    return
  used = {spec.partition('[')[0] for spec in part.splits.values()}
  for split, table in tables.splits.items():
    if split not in used:
      continue  # Such as test rows without labels.
    for row, problem in _problems(part, tables, table):
      raise DatasetError(
        f'dataset {part.name}, row {row + 1} of {split}: {problem}'
      )


def _problems(
  part: Dataset, tables: Tables, table: Any
) -> Iterator[tuple[int, str]]:
  """Yields (row, what is wrong with its answer)."""
  label, answers, correct = part.label, part.answers, part.correct
  if isinstance(label, str):
    names = tables.classes.get(label)
    values = map(_text, table[label].to_pylist())
    known = part.choices if names is None else map(str, range(len(names)))
    known = set(known)
    for row, text in enumerate(values):
      if text not in known:
        yield (
          row,
          f'choices has no words for {label!r} {text!r}; it has '
          f'{list(part.choices)}',
        )
  if isinstance(answers, str):
    for row, found in enumerate(table[answers].to_pylist()):
      if found in ('', []) or (isinstance(found, list) and not found[0]):
        yield row, f'the answer {answers!r} is empty; leave such rows out'
  if isinstance(correct, functools.partial) and correct.func is is_correct:
    options, column = correct.keywords['options'], correct.keywords['column']
    if isinstance(options, str):
      for row in range(len(table)):
        yield from _option_problems(table, row, options, column)


def _option_problems(
  table: Any, row: int, options: str, column: str
) -> Iterator[tuple[int, str]]:
  shown, right = table[options][row].as_py(), table[column][row].as_py()
  if isinstance(right, list):
    found = any(right) and len(right) == len(shown)
  elif isinstance(right, str):
    found = right in shown
  else:
    found = 0 <= right < len(shown)
  if not found:
    yield row, f'{column!r} is {right!r}, which is none of {options!r}: {shown}'


def _text(value: Any) -> str:
  """Returns a label as text, as TensorFlow writes it."""
  return str(value).lower() if isinstance(value, bool) else str(value)
