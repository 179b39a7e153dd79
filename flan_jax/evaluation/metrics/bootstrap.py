"""Bootstrap resamples of groups of rows."""

import dataclasses
import functools

import numpy as np

RESAMPLES = 1000
# Resamples that are multiplied at a time: what a large split needs in memory.
_AT_A_TIME = 100


@dataclasses.dataclass(frozen=True)
class Resamples:
  """How often each resample draws each group of rows.

  Rows of one group (a shared passage or premise) are not independent, so whole
  groups are drawn, with replacement: each resample is a multinomial draw.

  Attributes:
    count_BxG: How often each of B resamples draws each of G groups.
    group_R: Group of each row.
  """

  count_BxG: np.ndarray
  group_R: np.ndarray

  @classmethod
  def of(
    cls, groups: np.ndarray, resamples: int = RESAMPLES, seed: int = 0
  ) -> 'Resamples':
    """Draws resamples.

    Args:
      groups: Group of each row, anything that can be sorted, [rows].
      resamples: Number of resamples.
      seed: Seed of the draws.
    """
    _, group_R = np.unique(groups, return_inverse=True)
    return cls(_counts(int(group_R.max()) + 1, resamples, seed), group_R)

  @property
  def groups(self) -> int:
    """The number of groups."""
    return self.count_BxG.shape[1]

  def weights(self) -> np.ndarray:
    """Returns how often each resample draws each row, [B, rows]."""
    return self.count_BxG[:, self.group_R]

  def sums(self, statistics_RxK: np.ndarray) -> np.ndarray:
    """Returns the sums of statistics of rows in each resample, float [B, K]."""
    order = np.argsort(self.group_R, kind='stable')
    first = np.searchsorted(self.group_R[order], np.arange(self.groups))
    ordered = np.asarray(statistics_RxK, np.float64)[order]
    by_group_GxK = np.add.reduceat(ordered, first, axis=0)
    return np.concatenate(
      [
        self.count_BxG[n : n + _AT_A_TIME].astype(np.float64) @ by_group_GxK
        for n in range(0, len(self.count_BxG), _AT_A_TIME)
      ]
    )


@functools.lru_cache(maxsize=2)  # Templates and models share the same groups.
def _counts(groups: int, resamples: int, seed: int) -> np.ndarray:
  """Returns multinomial draws of groups, uint16 [resamples, groups]."""
  generator = np.random.Generator(np.random.PCG64(seed))
  counts = np.empty((resamples, groups), np.uint16)
  for row in counts:
    drawn = generator.integers(groups, size=groups)
    row[:] = np.bincount(drawn, minlength=groups)
  counts.flags.writeable = False
  return counts
