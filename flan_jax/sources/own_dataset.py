"""`flan_jax.dataset`: declares a dataset of your own in a few lines."""

from collections.abc import Mapping, Sequence
import dataclasses
import functools
from typing import Any

from etils import epy

from flan_jax.definitions.checks import SPLITS, DatasetError, check_columns
from flan_jax.definitions.dataset import Dataset, Feature, Template
from flan_jax.definitions.registry import register
from flan_jax.errors import nearest
from flan_jax.sources.table_files import is_table, peek_columns

with epy.lazy_imports():
  import tensorflow as tf


def dataset(
  name: str,
  source: str,
  fields: str | Sequence[str] | Mapping[str, Feature],
  choices: Sequence[Any] | Mapping[Any, str] | None = None,
  templates: str | Template | Sequence[str | Template] = (),
  *,
  label: Feature | None = None,
  correct: Feature | None = None,
  **more: Any,
) -> Dataset:
  """Declares a dataset, registers it and returns it.

  The answer of a row comes from one of three places: `choices` with `label`,
  `options` with `correct`, or `answers`.

  Args:
    name: Lower-case name, which becomes that of its tasks.
    source: `csv:rows.csv`, `json:rows.jsonl`, `parquet:rows/`, `hf:./rows`,
      `hf:OWNER/NAME/CONFIG` or a TFDS name with version. A file has no splits:
      a column `split` or `_split` names them, or a hash of the group divides
      the rows.
    fields: The columns that templates show; or field name -> column, or
      TensorFlow function of the row.
    choices: The classes, by the values of `label`: value -> words of the
      answer, or just the values, if they are the words.
    templates: One or more: patterns of a prompt with `{field}`, and with
      `{options}` at the end if there are choices.
    label: The column of the class; 'label' by default, with `choices`.
    correct: With `options`: the column that holds the right option, by its
      words or by its place, from 0, or a truth value for each option.
    **more: Other attributes of `Dataset`, such as `options`, `answers`,
      `cluster`, `metrics` and `group_key`. By default the dataset is a cluster
      of its own, and rows that agree in all fields belong together.

  Raises:
    DatasetError: The declaration contradicts itself or its file.
  """
  known = {field.name for field in dataclasses.fields(Dataset)}
  for word in sorted(set(more) - known):
    raise DatasetError(
      f'dataset {name}: there is no {word!r} to declare{nearest(word, known)}'
    )
  if isinstance(fields, str):
    fields = (fields,)
  if not isinstance(fields, Mapping):
    fields = {column: column for column in fields}
  if isinstance(templates, str | Template):
    templates = (templates,)
  if label is None and choices is not None:
    label = 'label'
  if isinstance(correct, str):
    correct = functools.partial(
      is_correct, options=more.get('options'), column=correct
    )
  free = more.get('answers') is not None
  defaults = {
    'version': '1.0.0',
    'cluster': name,
    'splits': {split: split for split in SPLITS},
    'rows': {},
    'metrics': ('rougeLsum',) if free else ('accuracy',),
    'truncatable': tuple(fields),
    'group_key': tuple(fields),
  }
  declared = Dataset(
    name=name,
    source=source,
    fields=dict(fields),
    templates=tuple(
      Template(t) if isinstance(t, str) else t for t in templates
    ),
    label=label,
    choices=_words(name, choices),
    correct=correct,
    **{**defaults, **more},
  )
  for part in declared.resolve_parts():
    if is_table(part.source):
      columns = peek_columns(part.source)
      if columns is not None:
        check_columns(part, columns)
  return register(declared)


def _words(
  name: str, choices: Sequence[Any] | Mapping[Any, str] | None
) -> dict[str, str] | None:
  """Returns the value of each class, as text, and its words."""
  if choices is None:
    return None
  if isinstance(choices, str):
    raise DatasetError(
      f'dataset {name}: choices is the text {choices!r}; list the classes'
    )
  if not isinstance(choices, Mapping):
    choices = {value: str(value) for value in choices}
  return {
    str(value).lower() if isinstance(value, bool) else str(value): words
    for value, words in choices.items()
  }


def is_correct(row: Any, options: Feature, column: str) -> Any:
  """Returns which options of a row are right, booleans [O] (TensorFlow)."""
  found = row[options] if isinstance(options, str) else options(row)
  right = row[column]
  if right.dtype == tf.bool:
    return right
  if right.dtype == tf.string:
    return tf.equal(found, right)
  return tf.equal(tf.range(tf.size(found, tf.int64)), right)
