"""95 % intervals of results, of their means and of their differences."""

from collections.abc import Sequence
import math

import numpy as np

# With fewer rows, nothing is said of a result, and no mean of the paper has it.
MOST_TOO_FEW = 20
TOO_FEW = 'too few rows'
# With fewer groups of rows, the bootstrap is too narrow; other formulas are
# used where there are any.
_FEW_GROUPS = 100
# The normal quantile of 97.5 %.
_Z = 1.959964

Interval = tuple[float, float]


def interval(
  resampled_B: np.ndarray, value: float, groups: int, is_share: bool
) -> Interval:
  """Returns the interval of a result.

  Args:
    resampled_B: Its values in bootstrap resamples.
    value: The result.
    groups: Number of groups of rows.
    is_share: Whether it is a mean over rows of numbers from 0 to 100. With few
      groups, the interval is then Wilson's.
  """
  if is_share and groups < _FEW_GROUPS:
    return wilson(value, groups)
  low, high = np.percentile(resampled_B, [2.5, 97.5])
  return float(low), float(high)


def wilson(percent: float, count: int) -> Interval:
  """Returns Wilson's score interval of a share (Wilson 1927), in percent.

  It has a width where all agree. A mean of numbers between 0 and 100 varies at
  most as much as a share does, so that it is wide enough for those too.

  >>> low, high = wilson(100.0, 20)
  >>> f'{low:.1f} {high:.1f}'
  '83.9 100.0'
  """
  share, square = percent / 100, _Z**2
  middle = (share + square / (2 * count)) / (1 + square / count)
  half = _Z * math.sqrt(share * (1 - share) / count + square / (4 * count**2))
  half /= 1 + square / count
  return 100 * max(middle - half, 0.0), 100 * min(middle + half, 1.0)


def of_difference(
  resampled_B: np.ndarray, value: float, error: float, groups: int
) -> Interval:
  """Returns the interval of a paired difference; for few groups, Student's."""
  if groups < _FEW_GROUPS:
    return by_error(value, error, groups - 1)
  low, high = np.percentile(resampled_B, [2.5, 97.5])
  return float(low), float(high)


def by_error(value: float, error: float, freedom: float) -> Interval:
  """Returns Student's interval around a value, from its standard error."""
  from scipy import special

  half = float(special.stdtrit(freedom, 0.975)) * error
  return value - half, value + half


def of_mean(
  parts: Sequence[str],
  values: Sequence[float],
  intervals: Sequence[Sequence[float] | None],
) -> Interval | None:
  """Returns the interval of a mean of numbers, each of a part.

  The distances of the bounds from their numbers are added in squares (Zou and
  Donner 2008), for rows of different parts are independent. Numbers of one
  part, such as those of two directions of translation, are of the same rows:
  their distances are added.

  >>> of_mean(['rte', 'cb'], [50.0, 60.0], [(47.0, 53.0), (56.0, 64.0)])
  (52.5, 57.5)

  Returns:
    None if an interval is not known.
  """
  if None in intervals:
    return None
  mean, bounds = float(np.mean(values)), []
  for side in (0, 1):
    distances: dict[str, float] = {}
    for part, value, bound in zip(parts, values, intervals, strict=True):
      distance = abs(bound[side] - value)
      distances[part] = distances.get(part, 0.0) + distance
    bounds.append(math.hypot(*distances.values()) / len(values))
  return mean - bounds[0], mean + bounds[1]
