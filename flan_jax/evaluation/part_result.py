"""The numbers that are reported of one evaluated part."""

from collections.abc import Mapping
import dataclasses
from typing import Any

from flan_jax.evaluation.eval_parts import EvalPart
from flan_jax.evaluation.metrics import intervals, text_metrics
from flan_jax.rendering.exemplars import too_few

NOT_SHOWN = 'not shown'


@dataclasses.dataclass(frozen=True)
class PartResult:
  """Results of one part under one group of templates.

  `docs/evaluation.md` describes the fields, which are those of `results.json`.
  Metrics are in percent unless their docstring states otherwise. A field that
  does not apply is None.

  Attributes:
    available_rows: Test rows in the cache.
    template_set: Hash of the template set in use.
    adapted: Split -> how it differs from the recorded one, if it does.
    cache: Split -> digest of its cache.
    metric: The reported metric, the first that the dataset declares.
    max_rows: Most rows that were evaluated; None for all.
    group: The group of templates, such as a direction of translation.
    shots: Exemplars asked for before each question; `exemplars` are those that
      were there, mean and least.
    rows: Test rows answered under the first template, in `groups` groups.
    accuracies: Mean accuracy under each rule of `rank.values_by_rule`.
  """

  dataset: str
  part: str
  cluster: str
  format: str
  available_rows: int
  template_set: str | None
  adapted: Mapping[str, str]
  note: str
  cache: Mapping[str, str | None]
  metric: str
  shots: int = 0
  max_rows: int | None = None
  exemplars: Mapping[str, float] | None = None
  group: str | None = None
  rows: int = 0
  groups: int = 0
  mean: float | None = None
  std: float | None = None
  interval: tuple[float, float] | None = None
  majority_rate: float | None = None
  best_validation: Mapping[str, Any] | None = None
  accuracies: Mapping[str, float] = dataclasses.field(default_factory=dict)
  written: Mapping[str, float] | None = None
  clean: Mapping[str, Any] | None = None
  bleu_signature: Mapping[str, str] = dataclasses.field(default_factory=dict)
  templates: Mapping[int, Mapping[str, Any]] = dataclasses.field(
    default_factory=dict
  )
  null: str | None = None

  @classmethod
  def of(cls, part: EvalPart, **values: Any) -> 'PartResult':
    """Returns a result with what is known of the part, and further values."""
    test, declared = part.test, part.test.part
    splits = {'test': test, 'validation': part.validation}
    return cls(
      dataset=test.manifest['dataset'],
      part=test.name,
      cluster=declared.cluster,
      format=test.manifest['format'],
      available_rows=len(test.rows),
      template_set=test.manifest['template_set'],
      adapted={
        name: split.manifest['adapted']
        for name, split in splits.items()
        if split and split.manifest['adapted']
      },
      note=declared.note,
      cache={n: split and split.digest for n, split in splits.items()},
      metric=declared.metrics[0],
      shots=part.shots,
      bleu_signature={
        name: text_metrics.bleu_signature(name)
        for name in declared.metrics
        if name in text_metrics.BLEU_TOKENIZERS
      },
      **values,
    )

  @property
  def name(self) -> str:
    """The part, followed by the group of templates if there is one."""
    return ' '.join(filter(None, (self.part, self.group)))

  @property
  def too_few(self) -> bool:
    """Whether there are too few rows to say anything."""
    return self.rows < intervals.MOST_TOO_FEW

  @property
  def known_interval(self) -> tuple[float, float] | None:
    """The interval of the mean; None if too few rows gave it."""
    return None if self.too_few or self.groups < 2 else self.interval

  @property
  def lacks_exemplars(self) -> bool:
    """Whether prompts have too few exemplars, see `exemplars.too_few`."""
    shown = self.exemplars
    return shown is not None and too_few(self.shots, shown['mean'])

  @property
  def verdict(self) -> str:
    """Whether the accuracy is shown to differ from the majority's.

    `above majority`, `below majority`, `not shown` or `too few rows`; empty for
    other metrics, and where rows have their own options.
    """
    if self.too_few and self.null is None:
      return intervals.TOO_FEW
    if self.metric != 'accuracy' or self.majority_rate is None:
      return ''
    low, high = self.known_interval or (0, 100)
    if low > self.majority_rate:
      return 'above majority'
    return 'below majority' if high < self.majority_rate else NOT_SHOWN

  @property
  def split(self) -> str:
    """`recorded`, or `adapted` if the test rows are those of a small copy."""
    return 'adapted' if 'test' in self.adapted else 'recorded'

  def as_json(self) -> dict[str, Any]:
    """Returns the entry of `results.json`; `null` only if not evaluated."""
    values = dataclasses.asdict(self)
    values |= {'split': self.split, 'verdict': self.verdict}
    if self.null is None:
      del values['null']
    return values
