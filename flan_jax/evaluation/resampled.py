"""Metrics of the templates of a part in bootstrap resamples of its rows."""

from collections.abc import Mapping
import dataclasses

import numpy as np

from flan_jax.cache.cached_split import CachedSplit
from flan_jax.evaluation.metrics import (
  intervals,
  resampled_choices,
  text_metrics,
)
from flan_jax.evaluation.metrics.bootstrap import Resamples
from flan_jax.evaluation.metrics.intervals import Interval
from flan_jax.evaluation.metrics.texts import Texts
from flan_jax.evaluation.predictions import ByTemplate, row_groups

_SHARES = resampled_choices.SHARES | text_metrics.SHARES


@dataclasses.dataclass(frozen=True)
class Resampled:
  """A metric in B resamples, which draw the same groups for all templates.

  Attributes:
    name: The metric.
    values: Template -> its value on all rows.
    by_template: Template -> its values in the resamples, [B].
    groups: Template -> the number of groups of its rows.
    same_rows: Whether all templates apply to the same rows.
  """

  name: str
  values: Mapping[int, float]
  by_template: Mapping[int, np.ndarray]
  groups: Mapping[int, int]
  same_rows: bool

  @classmethod
  def of(
    cls, split: CachedSplit, by_template: ByTemplate, name: str
  ) -> 'Resampled':
    """Resamples the predictions for a split."""
    drawn: dict[bytes, Resamples] = {}
    values, found, groups = {}, {}, {}
    for template, (rows, predictions) in by_template.items():
      key = rows.tobytes()
      if key not in drawn:
        drawn[key] = Resamples.of(row_groups(split, rows))
      resamples = drawn[key]
      values[template] = predictions.value(name)
      groups[template] = resamples.groups
      if isinstance(predictions, Texts):
        found[template] = predictions.resampled(name, resamples)
      else:
        found[template] = resampled_choices.resampled(
          predictions, name, resamples
        )
    return cls(name, values, found, groups, len(drawn) == 1)

  def mean_B(self) -> np.ndarray:
    """Returns the mean over templates in the resamples, [B]."""
    return np.mean([*self.by_template.values()], axis=0)

  def template_interval(self, template: int) -> Interval:
    """Returns the interval of the value of one template."""
    return self._interval(
      self.by_template[template], self.values[template], self.groups[template]
    )

  def mean_interval(self) -> Interval | None:
    """Returns that of the mean; None if templates apply to different rows."""
    if not self.same_rows:
      return None
    mean = float(np.mean([*self.values.values()]))
    groups = next(iter(self.groups.values()))
    return self._interval(self.mean_B(), mean, groups)

  def _interval(self, resampled_B, value: float, groups: int) -> Interval:
    return intervals.interval(
      resampled_B, value, groups, is_share=self.name in _SHARES
    )
