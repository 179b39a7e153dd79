"""Metrics of chosen options, by the names that datasets declare.

Values are in percent unless a docstring states otherwise. Functions import
SciPy and scikit-learn themselves, because that takes a second.
"""

from collections.abc import Callable
import dataclasses

import numpy as np

from flan_jax.errors import ConfigError
from flan_jax.evaluation.metrics.texts import Texts


@dataclasses.dataclass(frozen=True)
class Predictions:
  """Options chosen for the rows of one part under one template.

  Attributes:
    predicted: Option chosen, int [rows].
    correct: Whether it is right, bool [rows].
    gold: Gold class or first right option, int [rows].
    classes: Names of the classes; empty if rows have their own choices.
    score: The number that the gold class approximates, or NaN, float [rows].
    item: The item that each row belongs to, or the row itself, [rows].
    item_share: One over the item's rows in the whole split, float [rows].
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
    names = ('predicted', 'correct', 'gold', 'score', 'item', 'item_share')
    return dataclasses.replace(
      self,
      **{name: getattr(self, name)[rows] for name in names},
      texts=self.texts and self.texts.take(rows),
    )

  def value(self, name: str) -> float:
    """Returns the value of the metric of this name."""
    if self.texts is not None and name in self.texts.statistics:
      return self.texts.value(name)
    return find(name)(self)

  def numbers(self) -> tuple[np.ndarray, np.ndarray]:
    """Returns the numbers predicted and the true scores, float [rows]."""
    classes = np.array([float(name) for name in self.classes])
    return classes[self.predicted], self.score

  def top_share(self) -> float:
    """Returns the share of the most frequent prediction, in percent."""
    return _top_share(self.predicted)

  def majority_rate(self) -> float:
    """Returns the share of the most frequent gold class, in percent."""
    return _top_share(self.gold)


def _top_share(numbers: np.ndarray) -> float:
  return 100 * float(np.bincount(numbers).max() / len(numbers))


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


def matthews(predictions: Predictions) -> float:
  """Matthews correlation x 100 of two or more classes; 0 if undefined."""
  gold, predicted = predictions.gold, predictions.predicted
  if np.ptp(gold) == 0 or np.ptp(predicted) == 0:
    return 0.0
  import sklearn.metrics

  return 100 * float(sklearn.metrics.matthews_corrcoef(gold, predicted))


def exact_by_item(predictions: Predictions) -> float:
  """Share of items all of whose rows are right (MultiRC's exact match)."""
  _, item = np.unique(predictions.item, return_inverse=True)
  wrong = np.bincount(item, weights=~predictions.correct)
  weight = predictions.item_share
  return 100 * float(((wrong[item] == 0) * weight).sum() / weight.sum())


def _correlation(predictions: Predictions, name: str) -> float:
  """Correlates the predicted number with the true score, x 100.

  `name` is that of a function of `scipy.stats`.

  0 if one of them is constant: such predictions explain nothing.
  """
  numbers, scores = predictions.numbers()
  if np.ptp(numbers) == 0 or np.ptp(scores) == 0:
    return 0.0
  from scipy import stats

  return 100 * float(getattr(stats, name)(numbers, scores).statistic)


def pearson(predictions: Predictions) -> float:
  """Pearson correlation x 100 of the predicted number with the true score."""
  return _correlation(predictions, 'pearsonr')


def spearman(predictions: Predictions) -> float:
  """Spearman rank correlation x 100; see `pearson`."""
  return _correlation(predictions, 'spearmanr')


# From -100 to 100.
CORRELATIONS = frozenset({'matthews', 'pearson', 'spearman'})
_METRICS = {
  metric.__name__: metric
  for metric in (accuracy, exact_by_item, macro_f1, matthews, pearson, spearman)
}


def find(name: str) -> Callable[[Predictions], float]:
  """Returns a metric by name; `f1:<class>` is the F1 of one class.

  Raises:
    ConfigError: an unknown name; lists the known ones.
  """
  if name.startswith('f1:'):
    label = name.removeprefix('f1:')
    return lambda p: float(_class_f1(p)[p.classes.index(label)])
  if name not in _METRICS:
    raise ConfigError(
      f'unknown metric {name!r}; choose one of '
      f'{", ".join(sorted(_METRICS))} and f1:<class>'
    )
  return _METRICS[name]
