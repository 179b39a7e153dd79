"""Bootstrap intervals over groups of rows."""

from collections.abc import Callable

import numpy as np


def bootstrap_interval(
  statistic: Callable[[np.ndarray], float],
  groups: np.ndarray,
  resamples: int = 1000,
  seed: int = 0,
) -> tuple[float, float]:
  """Returns a 95 % percentile bootstrap interval over groups.

  Rows of one group (a shared passage or premise) are not independent, so
  whole groups are drawn with replacement.

  Args:
    statistic: Maps row indices (with repetitions) to a number.
    groups: Group of each row, [rows].
    resamples: Number of bootstrap samples.
    seed: Seed of the draws.
  """
  _, inverse = np.unique(groups, return_inverse=True)
  order = np.argsort(inverse, kind='stable')
  counts = np.bincount(inverse)
  members = np.split(order, np.cumsum(counts)[:-1])
  if len(members) == 1:
    value = float(statistic(order))  # Every resample is all rows.
    return value, value
  generator = np.random.Generator(np.random.PCG64(seed))
  values = []
  for _ in range(resamples):
    drawn = generator.integers(len(members), size=len(members))
    values.append(statistic(np.concatenate([members[g] for g in drawn])))
  low, high = np.percentile(values, [2.5, 97.5])
  return float(low), float(high)
