"""The declarative types: what a dataset is and how it is phrased.

Nothing here needs TensorFlow: field functions are written in TensorFlow but
only run when a task is expanded or a cache is made.
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import functools
import re
import string
from typing import Any

from flan_jax.errors import UserError

# A raw row as TFDS yields it: feature name -> tensor.
Row = Mapping[str, Any]
# The name of a raw feature, or a TensorFlow function of the raw row.
Feature = str | Callable[[Row], Any]

# Names that templates may use without declaring them in `Dataset.fields`.
OPTIONS = 'options'  # the options block, rendered by the engine
ANSWER = 'answer'  # the row's gold answer in words
RESERVED_FIELDS = (OPTIONS, ANSWER)
ANSWER_TARGET = f'{{{ANSWER}}}'

MIN_TEMPLATES = 10
MAX_TEMPLATES = 20
MAX_INVERTED = 3

SPLITS = ('train', 'validation', 'test')
# `instructions` is what FLAN trains on; the others are its ablations.
FORMATS = ('instructions', 'plain', 'named')

_NAME = re.compile(r'^[a-z0-9_]+$')


class DatasetError(UserError):
  """A declaration that contradicts itself; names dataset and template."""


@dataclasses.dataclass(frozen=True)
class Template:
  """One way to phrase a dataset.

  Attributes:
    input: The prompt, with `{field}` placeholders. `{options}` renders the
      options block and is last or absent. A literal brace is doubled.
    target: What is to be answered; `{answer}` is the row's gold answer.
    inverted: Turns the task around (asks for the question, or for a text with
      a given label). Trained on, never evaluated.
    only_if: Names of the classes for which the template is true, or a
      TensorFlow predicate over the named fields. None: true for every row. A
      row for which it is not true moves to its next admissible template.
    group: Name of a part that is reported by itself, as a translation
      direction; None where the dataset is reported as a whole.
  """

  input: str
  target: str = ANSWER_TARGET
  inverted: bool = False
  only_if: tuple[str, ...] | Callable[[Row], Any] | None = None
  group: str | None = None

  def input_fields(self) -> tuple[str, ...]:
    return placeholders(self.input)

  def target_fields(self) -> tuple[str, ...]:
    return placeholders(self.target)


@dataclasses.dataclass(frozen=True)
class Part:
  """A part of a dataset with a source of its own, as an ANLI round.

  What is None is inherited from the dataset. A part without a `train` split
  is never trained on, one without a `test` split never evaluated.
  """

  name: str
  source: str | None = None
  splits: Mapping[str, str] | None = None
  rows: Mapping[str, int] | None = None
  fields: Mapping[str, Feature] | None = None
  label: Feature | None = None
  options: Feature | None = None
  correct: Callable[[Row], Any] | None = None
  answers: Feature | None = None
  score: Feature | None = None
  keep: Callable[[Row], Any] | None = None
  choices: Mapping[str, str] | None = None
  templates: tuple[Template, ...] | None = None
  metrics: tuple[str, ...] | None = None
  truncatable: str | tuple[str, ...] | None = None
  group_key: tuple[str, ...] | None = None
  title: str | None = None
  plain: tuple[Template, ...] | None = None
  optional: tuple[str, ...] | None = None
  item_key: tuple[str, ...] | None = None
  note: str | None = None
  template_set: str | None = None


@dataclasses.dataclass(frozen=True)
class Dataset:
  """One of FLAN's datasets, or a user's own.

  The answer of a row comes from exactly one of three places: `label` with
  `choices` (a fixed set of classes), `options` with `correct` (the row's own
  choices) or `answers` (free text).

  Attributes:
    name: Lower-case name, as `rte`; also the name of its SeqIO task.
    version: Version of this declaration, raised when its meaning changes.
    cluster: The cluster that is held out as a whole.
    source: TFDS name with version, as `super_glue/rte:1.0.2`.
    splits: Split (`train`, `validation`, `test`) -> TFDS slice.
    rows: Split -> rows at the recorded version, before filters. A copy with
      other counts is reported as adapted.
    fields: Field name -> raw feature, or TensorFlow function of the row that
      returns a scalar string.
    templates: Ten or more ways to phrase it.
    metrics: Names in `flan_jax.evaluation.metrics`; the first is the one
      that is reported.
    truncatable: The field that is shortened when a prompt is too long; if
      there are several, the first that a template shows.
    group_key: Fields whose values name what several rows share (a passage, a
      premise): such rows stay in one split and are resampled together.
    label: Raw feature that holds the class: a TFDS ClassLabel, or a function
      that returns the class's name as a string.
    choices: Class name -> words of the answer.
    options: Function that returns the row's own choices, strings [O].
    correct: Function that returns which of them are right, booleans [O].
    answers: Feature or function that returns all accepted answers, strings
      [A]; the first is the training target.
    score: Feature or function that returns a number that metrics compare
      with, where the answer in words is only an approximation of it.
    keep: TensorFlow predicate of the raw row; other rows are dropped and
      counted.
    parts: Parts with their own sources; none: the dataset is its only part.
    derived_from: Names of other datasets whose texts this one was made from.
    title: Task and dataset in words, as 'Translation: WMT 2014', which the
      `named` format puts in brackets before the bare input.
    group_titles: Template group -> what the `named` format adds to the title,
      as 'to French'.
    plain: The bare input and output of the `plain` and `named` formats, one
      template a group; none: the fields in their order, one a line.
    optional: Fields that templates may leave out, as a title.
    item_key: Fields that name the item which several rows belong to (a
      question whose candidate answers are rows), for metrics by item.
    manual: What has to be fetched by hand and from where; empty where TFDS
      downloads by itself.
    format: One of `FORMATS`; which one `templates` are.
    note: How the numbers differ from published ones, where they do.
    template_set: Hash of the set that the templates come from, see
      `template_set`; None for templates that are declared.
    parent: The declared dataset that a resolved part belongs to, see
      `dataset`; None for the declared dataset itself.
  """

  name: str
  version: str
  cluster: str
  source: str
  splits: Mapping[str, str]
  rows: Mapping[str, int]
  fields: Mapping[str, Feature]
  templates: tuple[Template, ...]
  metrics: tuple[str, ...]
  truncatable: str | tuple[str, ...]
  group_key: tuple[str, ...]
  label: Feature | None = None
  choices: Mapping[str, str] | None = None
  options: Feature | None = None
  correct: Callable[[Row], Any] | None = None
  answers: Feature | None = None
  score: Feature | None = None
  keep: Callable[[Row], Any] | None = None
  parts: tuple[Part, ...] = ()
  derived_from: tuple[str, ...] = ()
  title: str = ''
  group_titles: Mapping[str, str] = dataclasses.field(default_factory=dict)
  plain: tuple[Template, ...] = ()
  optional: tuple[str, ...] = ()
  item_key: tuple[str, ...] = ()
  manual: str = ''
  format: str = 'instructions'
  note: str = ''
  template_set: str | None = None
  parent: 'Dataset | None' = dataclasses.field(
    default=None, repr=False, compare=False
  )

  def __hash__(self) -> int:
    return hash((self.name, self.version, self.format, self.template_set))

  def __post_init__(self):
    if self.parts:
      names = [part.name for part in self.parts]
      if len(set(names)) != len(names):
        raise DatasetError(f'dataset {self.name}: two parts share a name')
    for resolved in self.resolve_parts() if self.parts else (self,):
      _check(resolved)

  @property
  def trains(self) -> bool:
    return 'train' in self.splits

  @property
  def truncatable_fields(self) -> tuple[str, ...]:
    truncatable = self.truncatable
    return (
      (truncatable,) if isinstance(truncatable, str) else tuple(truncatable)
    )

  @property
  def evaluates(self) -> bool:
    return 'test' in self.splits

  @property
  def dataset(self) -> 'Dataset':
    """The declared dataset that this is a part of, or all of."""
    return self.parent or self

  @property
  def family(self) -> tuple['Dataset', ...]:
    """All parts of the same dataset, as declared."""
    return self.dataset.resolve_parts()

  @property
  def exemplar_part(self) -> 'Dataset | None':
    """The part whose training rows serve as exemplars, in the same format.

    This is the part itself if it trains. `mnli_matched`, which is only
    evaluated, takes them from the part of its dataset that trains on the same
    source under the same templates. None if there is no such part.
    """
    (declared,) = (part for part in self.family if part.name == self.name)
    for other in (declared, *self.family):
      same = (
        other.source == declared.source
        and other.templates == declared.templates
      )
      if other.trains and same:
        return in_format(other, self.format)
    return None

  def resolve_parts(self) -> tuple['Dataset', ...]:
    """Returns one dataset per part, named by the part, with its overrides."""
    return self._resolved_parts

  @functools.cached_property
  def _resolved_parts(self) -> tuple['Dataset', ...]:
    if not self.parts:
      return (self,)
    return tuple(_resolve(self, part) for part in self.parts)


def _resolve(dataset: Dataset, part: Part) -> Dataset:
  overrides = {
    field.name: getattr(part, field.name)
    for field in dataclasses.fields(Part)
    if getattr(part, field.name) is not None
  }
  return dataclasses.replace(dataset, parts=(), parent=dataset, **overrides)


def in_format(dataset: Dataset, name: str) -> Dataset:
  """Returns a resolved part with its templates in one of `FORMATS`.

  `plain` is the bare input and output, `named` puts task and dataset before
  it, "[Translation: WMT 2014 to French] …": FLAN's ablations without
  instructions (section 4.3 and figure 8). Neither shows options.
  """
  if name == 'instructions':
    return dataset
  plain = dataset.plain or (
    Template('\n'.join(f'{{{field}}}' for field in dataset.fields)),
  )
  if name == 'named':
    plain = tuple(
      dataclasses.replace(t, input=f'[{_title(dataset, t)}] {t.input}')
      for t in plain
    )
  return dataclasses.replace(
    dataset,
    templates=plain,
    format=name,
    template_set=None,
    parent=dataset.dataset,
  )


def _title(dataset: Dataset, template: Template) -> str:
  title = dataset.title or f'{dataset.cluster}: {dataset.name}'
  addition = dataset.group_titles.get(template.group, '')
  return f'{title} {addition}'.rstrip().replace('{', '{{').replace('}', '}}')


def placeholders(pattern: str) -> tuple[str, ...]:
  """Returns the field names of a pattern, in order.

  >>> placeholders('{premise} So: {hypothesis}?')
  ('premise', 'hypothesis')

  Raises:
    ValueError: unbalanced braces, or a placeholder with a format or without
      a name.
  """
  names = []
  for _, name, spec, conversion in string.Formatter().parse(pattern):
    if name is None:
      continue
    if not _NAME.match(name) or spec or conversion:
      raise ValueError(
        f'a placeholder is not a plain field name in {pattern!r}'
      )
    names.append(name)
  return tuple(names)


def _check(dataset: Dataset) -> None:
  """Raises DatasetError where a declaration contradicts itself."""
  where = f'dataset {dataset.name}'
  if not _NAME.match(dataset.name):
    raise DatasetError(f'{where}: a name has only a-z, 0-9 and _')
  _check_answer(dataset, where)
  unknown_roles = set(dataset.splits) - set(SPLITS)
  if unknown_roles or not dataset.splits:
    raise DatasetError(
      f'{where}: splits are named {SPLITS}, got {unknown_roles}'
    )
  if not dataset.metrics:
    raise DatasetError(f'{where}: no metric')
  named = (*dataset.truncatable_fields, *dataset.group_key, *dataset.optional)
  for name in (*named, *dataset.item_key):
    if name not in dataset.fields:
      raise DatasetError(
        f'{where}: truncatable, group_key, optional and item_key name fields, '
        f'{name!r} is none of {sorted(dataset.fields)}'
      )
  for index, template in enumerate(dataset.plain):
    _check_template(dataset, template, f'{where}, plain form {index}', True)
  taken = set(dataset.fields) & set(RESERVED_FIELDS)
  if taken:
    raise DatasetError(f'{where}: fields {sorted(taken)} are reserved names')
  if dataset.format == 'instructions':
    _check_templates(dataset, where)


def _check_templates(dataset: Dataset, where: str) -> None:
  from_set = dataset.template_set is not None
  if from_set and not evaluated(dataset.templates):
    raise DatasetError(f'{where}: every template of the set is inverted')
  if not from_set:
    _check_counts(dataset, where)
  for index, template in enumerate(dataset.templates):
    _check_template(dataset, template, f'{where}, template {index}', from_set)


def _check_counts(dataset: Dataset, where: str) -> None:
  count = len(dataset.templates)
  if not MIN_TEMPLATES <= count <= MAX_TEMPLATES:
    raise DatasetError(
      f'{where}: {count} templates, {MIN_TEMPLATES} to {MAX_TEMPLATES} needed'
    )
  inverted = sum(template.inverted for template in dataset.templates)
  if inverted > MAX_INVERTED:
    raise DatasetError(
      f'{where}: {inverted} inverted templates, {MAX_INVERTED} allowed'
    )


def _check_answer(dataset: Dataset, where: str) -> None:
  kinds = [dataset.choices, dataset.options, dataset.answers]
  if sum(kind is not None for kind in kinds) != 1:
    raise DatasetError(
      f'{where}: the answer comes from exactly one of choices, options, answers'
    )
  if (dataset.choices is None) != (dataset.label is None):
    raise DatasetError(f'{where}: choices and label go together')
  if (dataset.options is None) != (dataset.correct is None):
    raise DatasetError(f'{where}: options and correct go together')
  words = list((dataset.choices or {}).values())
  for name, word in (dataset.choices or {}).items():
    if not word or word != word.strip():
      raise DatasetError(f'{where}: class {name!r} has no words')
  if len(set(words)) != len(words):
    raise DatasetError(f'{where}: two classes share their words')


def _check_template(
  dataset: Dataset, template: Template, where: str, lenient: bool
) -> None:
  """Checks one template.

  Args:
    dataset: The resolved part.
    template: One of its templates, or plain forms.
    where: What an error starts with.
    lenient: For what is not phrased here: a choice may be asked for without
      its options, and an inverted template may ask for a text ("Write a
      review.") without showing or naming anything of the row.

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
        f'{where}: unknown field {name!r}, known are {sorted(known)}'
      )
  free = lenient and template.inverted
  if not set(in_fields) - {OPTIONS} and not free:
    raise DatasetError(f'{where}: the input has no field')
  if not out_fields and not free:
    raise DatasetError(f'{where}: the target has no field')
  if OPTIONS in out_fields:
    raise DatasetError(f'{where}: the target holds the options')
  if not template.inverted and ANSWER in in_fields:
    raise DatasetError(f'{where}: the input gives the answer away')
  _check_options(dataset, template, where, lenient)
  if isinstance(template.only_if, tuple) and template.only_if is not None:
    unknown = set(template.only_if) - set(dataset.choices or ())
    if unknown or not template.only_if:
      raise DatasetError(
        f'{where}: only_if names {sorted(unknown)}, classes are '
        f'{sorted(dataset.choices or ())}'
      )


def _check_options(
  dataset: Dataset, template: Template, where: str, lenient: bool
) -> None:
  in_fields = template.input_fields()
  if OPTIONS in in_fields:
    if dataset.answers is not None:
      raise DatasetError(f'{where}: options, but the answer is free text')
    if template.inverted:
      raise DatasetError(f'{where}: an inverted template has no options')
    last = template.input.endswith('{options}')
    if not last or in_fields.count(OPTIONS) != 1:
      raise DatasetError(f'{where}: {{options}} is last, once, or absent')
  elif dataset.answers is None and not template.inverted and not lenient:
    raise DatasetError(f'{where}: no {{options}} in an ordinary template')
  if not template.inverted and template.target != ANSWER_TARGET:
    if dataset.answers is None:
      raise DatasetError(f'{where}: the target of a choice is {{answer}}')


def evaluated(templates: Sequence[Template]) -> tuple[int, ...]:
  """Returns the indices of the templates that evaluation uses."""
  return tuple(i for i, t in enumerate(templates) if not t.inverted)
