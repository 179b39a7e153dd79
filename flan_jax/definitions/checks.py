"""Checks that a declaration does not contradict itself."""

from collections.abc import Iterable, Iterator
from typing import Any

from flan_jax.definitions.template import (
  ANSWER,
  ANSWER_TARGET,
  FIELD_NAME,
  OPTIONS,
  RESERVED_FIELDS,
  Template,
  evaluated,
)
from flan_jax.errors import UserError, nearest

SPLITS = ('train', 'validation', 'test')


class DatasetError(UserError):
  """A declaration that contradicts itself; names dataset and template."""


def check(dataset: Any) -> None:
  """Checks a resolved `Dataset`.

  Raises:
    DatasetError: its declaration contradicts itself.
  """
  where = f'dataset {dataset.name}'
  _raise_first(where, _problems(dataset))
  for index, template in enumerate(dataset.plain):
    problems = _template_problems(dataset, template, lenient=True)
    _raise_first(f'{where}, plain form {index}', problems)
  if dataset.format == 'instructions':
    lenient = dataset.template_set is not None
    _raise_first(where, _template_count_problems(dataset))
    for index, template in enumerate(dataset.templates):
      problems = _template_problems(dataset, template, lenient)
      _raise_first(f'{where}, template {index}', problems)


def check_columns(dataset: Any, columns: Iterable[str]) -> None:
  """Checks that a resolved `Dataset` reads raw features that exist.

  Raises:
    DatasetError: A field, the label or the like names another feature.
  """
  named = {f'field {name}': value for name, value in dataset.fields.items()}
  for name in ('label', 'options', 'answers', 'score'):
    named[name] = getattr(dataset, name)
  known = list(columns)
  for what, column in named.items():
    if isinstance(column, str) and column not in known:
      raise DatasetError(
        f'dataset {dataset.name}: {what} reads {column!r}, but '
        f'{dataset.source} has {known}{nearest(column, known)}'
      )


def _raise_first(where: str, problems: Iterable[str]) -> None:
  for problem in problems:
    raise DatasetError(f'{where}: {problem}')


def _problems(dataset: Any) -> Iterator[str]:
  """Yields what is wrong, apart from the templates."""
  if not FIELD_NAME.match(dataset.name):
    yield 'a name may contain only a-z, 0-9 and _'
  kinds = [dataset.choices, dataset.options, dataset.answers]
  if sum(kind is not None for kind in kinds) != 1:
    yield 'declare exactly one of choices, options, answers'
  if (dataset.choices is None) != (dataset.label is None):
    yield 'declare choices and label together'
  if (dataset.options is None) != (dataset.correct is None):
    yield 'declare options and correct together'
  words = list((dataset.choices or {}).values())
  for name, word in (dataset.choices or {}).items():
    if not word or word != word.strip():
      yield f'class {name!r} needs words without surrounding spaces'
  if len(set(words)) != len(words):
    yield 'two classes share their words'
  if not dataset.splits or not set(dataset.splits) <= set(SPLITS):
    yield f'splits must be among {SPLITS}, not {sorted(dataset.splits)}'
  if not dataset.metrics:
    yield 'declare at least one metric'
  named = (*dataset.truncatable_fields, *dataset.group_key, *dataset.optional)
  for name in (*named, *dataset.item_key):
    if name not in dataset.fields:
      yield (
        f'truncatable, group_key, optional and item_key must name fields; '
        f'{name!r} is not one of {sorted(dataset.fields)}'
      )
  taken = set(dataset.fields) & set(RESERVED_FIELDS)
  if taken:
    yield f'rename the fields {sorted(taken)}, whose names are reserved'


def _template_count_problems(dataset: Any) -> Iterator[str]:
  if not evaluated(dataset.templates):
    yield (
      'every template is inverted; add one that asks for the answer'
      if dataset.templates
      else 'declare at least one template'
    )


def _template_problems(
  dataset: Any, template: Template, lenient: bool
) -> Iterator[str]:
  """Yields why a template cannot be rendered, trained on or evaluated.

  Args:
    dataset: The resolved part.
    template: One of its templates or plain forms.
    lenient: For templates from elsewhere: they may ask for a choice without
      showing the options, and an inverted one may ask for a text ("Write a
      review.") without showing anything of the row.
  """
  try:
    in_fields, out_fields = template.input_fields(), template.target_fields()
  except ValueError as error:
    yield str(error)
    return
  known = {*dataset.fields, *RESERVED_FIELDS}
  for name in (*in_fields, *out_fields):
    if name not in known:
      yield f'unknown field {name!r}; the fields are {sorted(known)}'
  free = lenient and template.inverted
  if not set(in_fields) - {OPTIONS} and not free:
    yield 'the input has no field'
  if not out_fields and not free:
    yield 'the target has no field'
  if OPTIONS in out_fields:
    yield 'the target must not contain the options'
  if not template.inverted and ANSWER in in_fields:
    yield 'the input gives the answer away'
  if OPTIONS in in_fields:
    if dataset.answers is not None:
      yield '{options} needs choices, but the answer is free text'
    if template.inverted:
      yield 'an inverted template must not show options'
    last = template.input.endswith('{options}')
    if not last or in_fields.count(OPTIONS) != 1:
      yield '{options} may occur once, at the end'
  elif dataset.answers is None and not template.inverted and not lenient:
    yield 'an ordinary template must end with {options}'
  if not template.inverted and template.target != ANSWER_TARGET:
    if dataset.answers is None:
      yield 'the target of a choice must be {answer}'
  if isinstance(template.only_if, tuple):
    unknown = set(template.only_if) - set(dataset.choices or ())
    if unknown or not template.only_if:
      yield (
        f'only_if names {sorted(unknown)}; the classes are '
        f'{sorted(dataset.choices or ())}'
      )
