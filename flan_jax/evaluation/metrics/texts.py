"""Predictions in words, reduced to statistics of rows that can be resampled."""

from collections.abc import Mapping, Sequence
import dataclasses

import numpy as np

from flan_jax.evaluation.metrics import text_metrics


@dataclasses.dataclass(frozen=True)
class Texts:
  """Generated answers of the rows of one part under one template.

  Attributes:
    predictions: The answers, objects [rows].
    statistics: Metric -> what each row adds to it, float [rows, …].
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
    """Compares predictions with their references by the metrics named.

    Raises:
      ValueError: unknown metric.
    """
    return cls(
      predictions=np.array(predictions, object),
      statistics={
        name: text_metrics.find(name).rows(predictions, references)
        for name in names
      },
    )

  def take(self, rows: np.ndarray) -> 'Texts':
    """Returns the predictions of the rows named, in that order."""
    statistics = {name: s[rows] for name, s in self.statistics.items()}
    return Texts(self.predictions[rows], statistics)

  def value(self, name: str) -> float:
    """Returns the metric of this name over all rows."""
    return text_metrics.find(name).reduce(self.statistics[name])

  def top_share(self) -> float:
    """Share of the most frequent prediction, in percent."""
    _, counts = np.unique(self.predictions.astype(str), return_counts=True)
    return 100 * float(counts.max() / len(self.predictions))
