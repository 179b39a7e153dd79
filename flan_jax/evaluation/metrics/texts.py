"""Answers in words, reduced to statistics of rows that can be resampled."""

from collections.abc import Mapping, Sequence
import dataclasses

import numpy as np

from flan_jax.evaluation.metrics import text_metrics
from flan_jax.evaluation.metrics.bootstrap import Resamples


@dataclasses.dataclass(frozen=True)
class Texts:
  """Answers to the rows of one part under one template.

  Attributes:
    predictions: The answers, objects [rows].
    statistics: Metric -> statistics of each row, float [rows, …].
  """

  predictions: np.ndarray
  statistics: Mapping[str, np.ndarray]

  @classmethod
  def of(
    cls,
    predictions: Sequence[str],
    references: Sequence[Sequence[str]],
    names: Sequence[str],
  ) -> 'Texts':
    """Compares predictions with their references by the given metrics."""
    return cls(
      predictions=np.array(predictions, object),
      statistics={
        name: text_metrics.METRICS[name].rows(predictions, references)
        for name in names
      },
    )

  def take(self, rows: np.ndarray) -> 'Texts':
    """Returns the predictions of the given rows, in that order."""
    statistics = {name: s[rows] for name, s in self.statistics.items()}
    return Texts(self.predictions[rows], statistics)

  def value(self, name: str) -> float:
    """Returns the value of the metric of this name."""
    return text_metrics.METRICS[name].reduce(self.statistics[name])

  def resampled(self, name: str, resamples: Resamples) -> np.ndarray:
    """Returns the values of a metric in resamples of the rows, float [B]."""
    statistics = self.statistics[name]
    columns = np.concatenate([statistics, np.ones((len(statistics), 1))], 1)
    sums_BxK = resamples.sums(columns)
    of_sums = text_metrics.METRICS[name].of_sums
    return of_sums(sums_BxK[:, :-1], sums_BxK[:, -1])

  def top_share(self) -> float:
    """Returns the share of the most frequent prediction, in percent."""
    _, counts = np.unique(self.predictions.astype(str), return_counts=True)
    return 100 * float(counts.max() / len(self.predictions))
