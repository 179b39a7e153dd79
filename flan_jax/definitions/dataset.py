"""The declarative types: what a dataset is and how it is phrased.

Nothing here needs TensorFlow. Field functions are written in TensorFlow, but
they run only when a row is read.
"""

from collections.abc import Callable, Mapping
import dataclasses
import functools
from typing import Any

from flan_jax.definitions.checks import SPLITS, DatasetError, check
from flan_jax.definitions.template import (
  ANSWER,
  ANSWER_TARGET,
  OPTIONS,
  RESERVED_FIELDS,
  Row,
  Template,
  evaluated,
  placeholders,
)

__all__ = [
  'ANSWER',
  'ANSWER_TARGET',
  'FORMATS',
  'OPTIONS',
  'RESERVED_FIELDS',
  'SPLITS',
  'Dataset',
  'DatasetError',
  'Feature',
  'Part',
  'Row',
  'Template',
  'evaluated',
  'in_format',
  'on_training_rows',
  'placeholders',
]

# The name of a raw feature, or a TensorFlow function of the raw row.
Feature = str | Callable[[Row], Any]

# `instructions` is what FLAN trains on; the others are its ablations.
FORMATS = ('instructions', 'plain', 'named')


@dataclasses.dataclass(frozen=True, init=False)
class Part:
  """A part of a dataset with a source of its own, such as an ANLI round.

  It is built as `Part('anli_r2', source=…, splits=…)`: whatever it does not
  override comes from the dataset. A part without a `train` split is never
  trained on, one without a `test` split never evaluated.

  Attributes:
    name: Name of the part.
    overrides: Field of `Dataset` -> value.
  """

  name: str
  overrides: Mapping[str, Any]

  def __init__(self, name: str, **overrides: Any):
    unknown = set(overrides) - {f.name for f in dataclasses.fields(Dataset)}
    if unknown:
      raise TypeError(f'part {name}: no such fields: {sorted(unknown)}')
    object.__setattr__(self, 'name', name)
    object.__setattr__(self, 'overrides', overrides)

  def resolve(self, dataset: 'Dataset') -> 'Dataset':
    """Returns the part as a dataset of its own."""
    changes = {**self.overrides, 'name': self.name}
    return dataclasses.replace(dataset, parts=(), parent=dataset, **changes)


@dataclasses.dataclass(frozen=True)
class Dataset:
  """One of FLAN's datasets, or a user's own.

  The answer of a row comes from exactly one of three places: `label` with
  `choices` (a fixed set of classes), `options` with `correct` (the row's own
  choices) or `answers` (free text).

  Attributes:
    name: Lower-case name, such as `rte`; also the name of its SeqIO task.
    version: Version of this declaration. Raise it when its meaning changes.
    cluster: The cluster that is held out as a whole.
    source: TFDS name with version, such as `super_glue/rte:1.0.2`, or files,
      such as `csv:rows.csv`; see `flan_jax.sources.table_files`.
    splits: Split (`train`, `validation`, `test`) -> TFDS slice.
    rows: Split -> rows at the recorded version, before filters. A copy with
      other counts is reported as adapted. Rows of splits that are not recorded
      are counted.
    fields: Field name -> raw feature, or TensorFlow function of the row that
      returns a scalar.
    templates: One or more ways to phrase it.
    metrics: Names in `flan_jax.evaluation.metrics`; the first is reported.
    truncatable: The field that is shortened if a prompt is too long. If there
      are several, the first that a template shows.
    group_key: Fields that identify what several rows share (a passage, a
      premise). Such rows stay in one split and are resampled together.
    label: Raw feature that holds the class: a ClassLabel, or its name as text
      or number; or a function that returns it.
    choices: Class name -> words of the answer.
    options: Function that returns the row's own choices, strings [O].
    correct: Function that returns which of them are right, booleans [O].
    answers: Feature or function that returns all accepted answers, strings
      [A], or the only one; the first is the training target.
    score: Feature or function that returns the number that metrics compare
      with, if the answer in words only approximates it.
    keep: TensorFlow predicate of the raw row. Other rows are dropped and
      counted.
    parts: Parts with their own sources. Without any, the dataset is its only
      part.
    derived_from: Names of other datasets whose texts this one was made from.
    title: Task and dataset in words, such as 'Translation: WMT 2014'. The
      `named` format puts it in brackets before the bare input.
    group_titles: Template group -> what the `named` format adds to the title,
      such as 'to French'.
    plain: The bare input and output of the `plain` and `named` formats, one
      template per group. By default, the fields in order, one per line.
    optional: Fields that templates may leave out, such as a title.
    item_key: Fields that identify the item that several rows belong to (a
      question whose candidate answers are rows), for metrics by item.
    homepage: Web page of the dataset, by its authors.
    licence: Licence of the rows as their authors state it, by name and version
      or in a few words; 'not stated' if no statement is known.
    manual: What to download by hand, and from where; empty if TFDS downloads
      it.
    format: The member of `FORMATS` that `templates` belong to.
    note: How the numbers differ from published ones, if they do.
    template_set: Hash of the template set that the templates come from; None
      for declared templates.
    on_training_rows: Whether its test rows are those declared for training, see
      the function of that name.
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
  homepage: str = ''
  licence: str = ''
  manual: str = ''
  format: str = 'instructions'
  note: str = ''
  template_set: str | None = None
  on_training_rows: bool = False
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
      self.resolve_parts()  # Each part checks itself.
    else:
      check(self)

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
    return tuple(part.resolve(self) for part in self.parts)


def in_format(dataset: Dataset, name: str) -> Dataset:
  """Returns a resolved part with its templates in one of `FORMATS`.

  `plain` is the bare input and output. `named` puts task and dataset before
  it, as in "[Translation: WMT 2014 to French] …". These are FLAN's ablations
  without instructions (section 4.3 and figure 8). Neither shows options.
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


def on_training_rows(dataset: Dataset) -> Dataset:
  """Returns a resolved part that is evaluated on its training rows.

  It has no other rows. This gives more rows to evaluate if nothing of the
  dataset is trained on; the numbers are not comparable with published ones.
  """
  return dataclasses.replace(
    dataset,
    splits={'test': dataset.splits['train']},
    rows={name: n for name, n in dataset.rows.items() if name == 'test'},
    on_training_rows=True,
    parent=dataset.dataset,
  )


def _title(dataset: Dataset, template: Template) -> str:
  title = dataset.title or f'{dataset.cluster}: {dataset.name}'
  addition = dataset.group_titles.get(template.group, '')
  return f'{title} {addition}'.rstrip().replace('{', '{{').replace('}', '}}')
