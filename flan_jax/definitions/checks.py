"""Checks that a declaration does not contradict itself."""

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
from flan_jax.errors import UserError

MIN_TEMPLATES = 10
MAX_TEMPLATES = 20
MAX_INVERTED = 3

SPLITS = ('train', 'validation', 'test')


class DatasetError(UserError):
  """A declaration that contradicts itself; names dataset and template."""


def check(dataset: Any) -> None:
  """Checks a resolved `Dataset`.

  Raises:
    DatasetError: its declaration contradicts itself.
  """
  where = f'dataset {dataset.name}'
  if not FIELD_NAME.match(dataset.name):
    raise DatasetError(f'{where}: a name may contain only a-z, 0-9 and _')
  _check_answer(dataset, where)
  if not dataset.splits or not set(dataset.splits) <= set(SPLITS):
    raise DatasetError(
      f'{where}: splits must be among {SPLITS}, not {sorted(dataset.splits)}'
    )
  if not dataset.metrics:
    raise DatasetError(f'{where}: declare at least one metric')
  named = (*dataset.truncatable_fields, *dataset.group_key, *dataset.optional)
  for name in (*named, *dataset.item_key):
    if name not in dataset.fields:
      raise DatasetError(
        f'{where}: truncatable, group_key, optional and item_key must name '
        f'fields; {name!r} is not one of {sorted(dataset.fields)}'
      )
  for index, template in enumerate(dataset.plain):
    _check_template(dataset, template, f'{where}, plain form {index}', True)
  taken = set(dataset.fields) & set(RESERVED_FIELDS)
  if taken:
    raise DatasetError(
      f'{where}: rename the fields {sorted(taken)}, whose names are reserved'
    )
  if dataset.format == 'instructions':
    _check_templates(dataset, where)


def _check_templates(dataset: Any, where: str) -> None:
  from_set = dataset.template_set is not None
  if from_set and not evaluated(dataset.templates):
    raise DatasetError(f'{where}: every template of the set is inverted')
  if not from_set:
    _check_counts(dataset, where)
  for index, template in enumerate(dataset.templates):
    _check_template(dataset, template, f'{where}, template {index}', from_set)


def _check_counts(dataset: Any, where: str) -> None:
  count = len(dataset.templates)
  if not MIN_TEMPLATES <= count <= MAX_TEMPLATES:
    raise DatasetError(
      f'{where}: {count} templates; declare {MIN_TEMPLATES} to {MAX_TEMPLATES}'
    )
  inverted = sum(template.inverted for template in dataset.templates)
  if inverted > MAX_INVERTED:
    raise DatasetError(
      f'{where}: {inverted} inverted templates; declare at most {MAX_INVERTED}'
    )


def _check_answer(dataset: Any, where: str) -> None:
  kinds = [dataset.choices, dataset.options, dataset.answers]
  if sum(kind is not None for kind in kinds) != 1:
    raise DatasetError(
      f'{where}: declare exactly one of choices, options, answers'
    )
  if (dataset.choices is None) != (dataset.label is None):
    raise DatasetError(f'{where}: declare choices and label together')
  if (dataset.options is None) != (dataset.correct is None):
    raise DatasetError(f'{where}: declare options and correct together')
  words = list((dataset.choices or {}).values())
  for name, word in (dataset.choices or {}).items():
    if not word or word != word.strip():
      raise DatasetError(
        f'{where}: class {name!r} needs words without surrounding spaces'
      )
  if len(set(words)) != len(words):
    raise DatasetError(f'{where}: two classes share their words')


def _check_template(
  dataset: Any, template: Template, where: str, lenient: bool
) -> None:
  """Checks one template.

  Args:
    dataset: The resolved part.
    template: One of its templates or plain forms.
    where: Beginning of an error message.
    lenient: For templates from elsewhere: they may ask for a choice without
      showing the options, and an inverted one may ask for a text ("Write a
      review.") without showing anything of the row.

  Raises:
    DatasetError: it cannot be rendered, trained on or evaluated.
  """
  try:
    in_fields, out_fields = template.input_fields(), template.target_fields()
  except ValueError as error:
    raise DatasetError(f'{where}: {error}') from error
  known = set(dataset.fields) | set(RESERVED_FIELDS)
  for name in (*in_fields, *out_fields):
    if name not in known:
      raise DatasetError(
        f'{where}: unknown field {name!r}; the fields are {sorted(known)}'
      )
  free = lenient and template.inverted
  if not set(in_fields) - {OPTIONS} and not free:
    raise DatasetError(f'{where}: the input has no field')
  if not out_fields and not free:
    raise DatasetError(f'{where}: the target has no field')
  if OPTIONS in out_fields:
    raise DatasetError(f'{where}: the target must not contain the options')
  if not template.inverted and ANSWER in in_fields:
    raise DatasetError(f'{where}: the input gives the answer away')
  _check_options(dataset, template, where, lenient)
  if isinstance(template.only_if, tuple) and template.only_if is not None:
    unknown = set(template.only_if) - set(dataset.choices or ())
    if unknown or not template.only_if:
      raise DatasetError(
        f'{where}: only_if names {sorted(unknown)}; the classes are '
        f'{sorted(dataset.choices or ())}'
      )


def _check_options(
  dataset: Any, template: Template, where: str, lenient: bool
) -> None:
  in_fields = template.input_fields()
  if OPTIONS in in_fields:
    if dataset.answers is not None:
      raise DatasetError(
        f'{where}: {{options}} needs choices, but the answer is free text'
      )
    if template.inverted:
      raise DatasetError(f'{where}: an inverted template must not show options')
    last = template.input.endswith('{options}')
    if not last or in_fields.count(OPTIONS) != 1:
      raise DatasetError(f'{where}: {{options}} may occur once, at the end')
  elif dataset.answers is None and not template.inverted and not lenient:
    raise DatasetError(
      f'{where}: an ordinary template must end with {{options}}'
    )
  if not template.inverted and template.target != ANSWER_TARGET:
    if dataset.answers is None:
      raise DatasetError(f'{where}: the target of a choice must be {{answer}}')
