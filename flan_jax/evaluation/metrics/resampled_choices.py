"""The metrics of chosen options in resamples of the rows.

Each repeats a metric of `choice_metrics`, from sums over groups of rows.
"""

import numpy as np

from flan_jax.evaluation.metrics.bootstrap import Resamples
from flan_jax.evaluation.metrics.choice_metrics import Predictions


def resampled(
  predictions: Predictions, name: str, resamples: Resamples
) -> np.ndarray:
  """Returns the values of a metric in resamples of the rows, float [B].

  Args:
    predictions: Predictions for all rows.
    name: The metric, as for `Predictions.value`.
    resamples: How often each resample draws a row.
  """
  texts = predictions.texts
  if texts is not None and name in texts.statistics:
    return texts.resampled(name, resamples)
  if name.startswith('f1:'):
    label = predictions.classes.index(name.removeprefix('f1:'))
    return _class_f1s(predictions, resamples)[0][:, label]
  return _METRICS[name](predictions, resamples)


def _accuracies(predictions: Predictions, resamples: Resamples) -> np.ndarray:
  correct = predictions.correct.astype(float)
  right_B, rows_B = resamples.sums(np.stack([correct, correct**0], 1)).T
  return 100 * right_B / rows_B


def _exact_by_items(
  predictions: Predictions, resamples: Resamples
) -> np.ndarray:
  """The rows of an item are in one group, which is drawn as a whole."""
  _, item = np.unique(predictions.item, return_inverse=True)
  wrong = np.bincount(item, weights=~predictions.correct)
  weight = predictions.item_share
  exact_B, items_B = resamples.sums(
    np.stack([(wrong[item] == 0) * weight, weight], 1)
  ).T
  return 100 * exact_B / items_B


def _confusions(predictions: Predictions, resamples: Resamples) -> np.ndarray:
  """Returns how often each gold class has each prediction, float [B, O, O]."""
  size = len(predictions.classes)
  pair_R = predictions.gold * size + predictions.predicted
  found_BxP = resamples.sums(pair_R[:, None] == np.arange(size**2))
  return found_BxP.reshape(-1, size, size)


def _class_f1s(
  predictions: Predictions, resamples: Resamples
) -> tuple[np.ndarray, np.ndarray]:
  """Returns the F1 of every class, and which classes occur, [B, O]."""
  counts_BxOxO = _confusions(predictions, resamples)
  hits_BxO = np.diagonal(counts_BxOxO, axis1=1, axis2=2)
  total_BxO = counts_BxOxO.sum(1) + counts_BxOxO.sum(2)
  return 100 * 2 * hits_BxO / np.maximum(total_BxO, 1), total_BxO > 0


def _macro_f1s(predictions: Predictions, resamples: Resamples) -> np.ndarray:
  f1_BxO, occurring_BxO = _class_f1s(predictions, resamples)
  return f1_BxO.sum(1) / occurring_BxO.sum(1)


def _matthews(predictions: Predictions, resamples: Resamples) -> np.ndarray:
  """Computes the formula of scikit-learn, from counts (Gorodkin 2004)."""
  counts_BxOxO = _confusions(predictions, resamples)
  gold_BxO, said_BxO = counts_BxOxO.sum(2), counts_BxOxO.sum(1)
  rows_B = gold_BxO.sum(1)
  hits_B = np.trace(counts_BxOxO, axis1=1, axis2=2)
  covariance_B = hits_B * rows_B - (gold_BxO * said_BxO).sum(1)
  spread_B = np.sqrt(
    (rows_B**2 - (gold_BxO**2).sum(1)) * (rows_B**2 - (said_BxO**2).sum(1))
  )
  return 100 * covariance_B / np.where(spread_B > 0, spread_B, 1)


def _pearsons(predictions: Predictions, resamples: Resamples) -> np.ndarray:
  # Centred, so that the sums of squares lose no digits.
  x, y = (values - values.mean() for values in predictions.numbers())
  sums_BxK = resamples.sums(np.stack([x**0, x, y, x * x, y * y, x * y], 1))
  return _correlations(*sums_BxK.T)


def _spearmans(predictions: Predictions, resamples: Resamples) -> np.ndarray:
  weight_BxR = resamples.weights().astype(float)
  x_BxR, y_BxR = (
    _ranks(values, weight_BxR) for values in predictions.numbers()
  )
  products = x_BxR, y_BxR, x_BxR * x_BxR, y_BxR * y_BxR, x_BxR * y_BxR
  sums = ((weight_BxR * values).sum(1) for values in products)
  return _correlations(weight_BxR.sum(1), *sums)


def _ranks(values_R: np.ndarray, weight_BxR: np.ndarray) -> np.ndarray:
  """Returns the mean ranks of values in resamples, about their middle."""
  unique, place_R = np.unique(values_R, return_inverse=True)
  count_BxU = weight_BxR @ (place_R[:, None] == np.arange(len(unique)))
  rank_BxU = np.cumsum(count_BxU, axis=1) - (count_BxU - 1) / 2
  middle_B = (weight_BxR.sum(1) + 1) / 2
  return (rank_BxU - middle_B[:, None])[:, place_R]


def _correlations(n, x, y, xx, yy, xy) -> np.ndarray:
  """Returns correlations x 100 from sums, [B]; 0 where one is constant."""
  spread = np.maximum(xx - x * x / n, 0) * np.maximum(yy - y * y / n, 0)
  constant = spread <= 1e-12 * xx * yy
  root = np.sqrt(np.where(constant, 1, spread))
  return np.where(constant, 0, 100 * (xy - x * y / n) / root)


_METRICS = {
  'accuracy': _accuracies,
  'exact_by_item': _exact_by_items,
  'macro_f1': _macro_f1s,
  'matthews': _matthews,
  'pearson': _pearsons,
  'spearman': _spearmans,
}
# Means over rows or items of numbers from 0 to 100.
SHARES = frozenset({'accuracy', 'exact_by_item'})
