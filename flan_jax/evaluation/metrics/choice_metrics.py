"""Metrics of chosen options, by the names that datasets declare.

Values are in percent unless a docstring states otherwise.
"""

from collections.abc import Callable
import dataclasses

import numpy as np
from scipy import stats
import sklearn.metrics

from flan_jax.errors import ConfigError
from flan_jax.evaluation.metrics.texts import Texts


@dataclasses.dataclass(frozen=True)
class Predictions:
  """Options chosen for the rows of one part under one template.

  Attributes:
    predicted: Option chosen, int [rows].
    correct: Whether it is right, bool [rows].
    gold: Gold class, int [rows]; the first right option if rows have their own
      choices.
    classes: Names of the fixed classes, in the order of the indices; empty if
      rows have their own choices.
    score: The number that the gold class approximates, float [rows]; NaN if the
      dataset has none.
    item: The item that each row belongs to, [rows]; the row itself if the
      dataset has no items.
    item_share: One over the number of rows of that item in the whole split,
      float [rows].
    texts: The words chosen, if a text metric is asked for.
  """

  predicted: np.ndarray
  correct: np.ndarray
  gold: np.ndarray
  classes: tuple[str, ...]
  score: np.ndarray
  item: np.ndarray
  item_share: np.ndarray
  texts: Texts | None = None

  def take(self, rows: np.ndarray) -> 'Predictions':
    """Returns the predictions of the given rows, in that order."""
    return dataclasses.replace(
      self,
      predicted=self.predicted[rows],
      correct=self.correct[rows],
      gold=self.gold[rows],
      score=self.score[rows],
      item=self.item[rows],
      item_share=self.item_share[rows],
      texts=None if self.texts is None else self.texts.take(rows),
    )

  def value(self, name: str) -> float:
    """Returns the value of the metric of this name."""
    if self.texts is not None and name in self.texts.statistics:
      return self.texts.value(name)
    return find(name)(self)

  def top_share(self) -> float:
    """Returns the share of the most frequent prediction, in percent."""
    counts = np.bincount(self.predicted)
    return 100 * float(counts.max() / len(self.predicted))


def accuracy(predictions: Predictions) -> float:
  """Share of right predictions."""
  return 100 * float(predictions.correct.mean())


def _class_f1(predictions: Predictions) -> np.ndarray:
  """Returns the F1 of every class; 0 if undefined, as in scikit-learn."""
  size = len(predictions.classes)
  hits = np.bincount(
    predictions.gold[predictions.predicted == predictions.gold],
    minlength=size,
  )
  total = np.bincount(predictions.gold, minlength=size) + np.bincount(
    predictions.predicted, minlength=size
  )
  return 100 * 2 * hits / np.maximum(total, 1)


def macro_f1(predictions: Predictions) -> float:
  """Mean F1 over the classes that occur as gold or prediction."""
  occurring = np.union1d(predictions.gold, predictions.predicted)
  return float(_class_f1(predictions)[occurring].mean())


def class_f1(name: str) -> Callable[[Predictions], float]:
  """Returns the metric that is the F1 of the class of this name."""

  def f1(predictions: Predictions) -> float:
    return float(_class_f1(predictions)[predictions.classes.index(name)])

  return f1


def matthews(predictions: Predictions) -> float:
  """Matthews correlation x 100 of two or more classes; 0 if undefined."""
  gold, predicted = predictions.gold, predictions.predicted
  if np.ptp(gold) == 0 or np.ptp(predicted) == 0:
    return 0.0
  return 100 * float(sklearn.metrics.matthews_corrcoef(gold, predicted))


def exact_by_item(predictions: Predictions) -> float:
  """Share of items all of whose rows are right (MultiRC's exact match)."""
  _, item = np.unique(predictions.item, return_inverse=True)
  wrong = np.bincount(item, weights=~predictions.correct)
  weight = predictions.item_share
  return 100 * float(((wrong[item] == 0) * weight).sum() / weight.sum())


def _class_numbers(predictions: Predictions) -> np.ndarray:
  numbers = np.array([float(name) for name in predictions.classes])
  return numbers[predictions.predicted]


def pearson(predictions: Predictions) -> float:
  """Pearson correlation x 100 of the predicted number with the true score.

  0 if one of them is constant: such predictions explain nothing.
  """
  numbers = _class_numbers(predictions)
  if np.ptp(numbers) == 0 or np.ptp(predictions.score) == 0:
    return 0.0
  return 100 * float(stats.pearsonr(numbers, predictions.score).statistic)


def spearman(predictions: Predictions) -> float:
  """Spearman rank correlation x 100; see `pearson`."""
  numbers = _class_numbers(predictions)
  if np.ptp(numbers) == 0 or np.ptp(predictions.score) == 0:
    return 0.0
  return 100 * float(stats.spearmanr(numbers, predictions.score).statistic)


_METRICS = {
  'accuracy': accuracy,
  'exact_by_item': exact_by_item,
  'macro_f1': macro_f1,
  'matthews': matthews,
  'pearson': pearson,
  'spearman': spearman,
}


def find(name: str) -> Callable[[Predictions], float]:
  """Returns a metric by name; `f1:<class>` is the F1 of one class.

  Raises:
    ConfigError: an unknown name; lists the known ones.
  """
  if name.startswith('f1:'):
    return class_f1(name.removeprefix('f1:'))
  if name not in _METRICS:
    raise ConfigError(
      f'unknown metric {name!r}; choose one of '
      f'{", ".join(sorted(_METRICS))} and f1:<class>'
    )
  return _METRICS[name]
