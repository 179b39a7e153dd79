"""Draws examples: a pure function of (cached splits, rates, seed, window).

Permutations are functions, so that a window does not need those before it.
"""

from collections.abc import Sequence
import dataclasses
import functools

import numpy as np

from flan_jax.cache.cached_split import CachedSplit
from flan_jax.cache.framing import Framing
from flan_jax.definitions.mixture_plan import mixing_rate
from flan_jax.errors import ConfigError
from flan_jax.rendering.permutation import key_of, permute

WINDOW_DRAWS = 32_768


@dataclasses.dataclass(frozen=True)
class Draws:
  """The examples of one window, in drawing order.

  Attributes:
    split: Index of the split, int32 [draws].
    rendering: Index of the rendering in the split, int32 [draws].
    length: Places that the example takes in a row, int32 [draws].
    targets: Number of predicted tokens, int32 [draws].
  """

  split: np.ndarray
  rendering: np.ndarray
  length: np.ndarray
  targets: np.ndarray

  def take(self, index: np.ndarray) -> 'Draws':
    """Returns the draws at some indices."""
    return Draws(*(column[index] for column in vars(self).values()))


class Sampler:
  """Draws windows of examples from several splits at given rates.

  A mixture epoch draws exactly rate_d times from split d. A window consists of
  the fewest whole mixture epochs with at least `WINDOW_DRAWS` draws. The n-th
  draw of split d is row permutation(seed, d, n div rows_d)[n mod rows_d]. Each
  pass over the rows takes the next rendering of each row.
  """

  def __init__(
    self,
    splits: Sequence[CachedSplit],
    framing: Framing,
    seed: int,
    rates: Sequence[int] | None = None,
  ):
    """Initializes the sampler.

    Args:
      splits: Training splits.
      framing: Tokens between the spans; counted in the lengths.
      seed: Decides the order.
      rates: Draws from each split in an epoch; None for min(rows, 3,000).

    Raises:
      ConfigError: There is no split, or one without rows.
    """
    empty = [split.name for split in splits if split.num_rows == 0]
    if empty:
      raise ConfigError(f'no training rows in {", ".join(empty)}')
    if not splits:
      raise ConfigError('the mixture has no training splits')
    self.splits = tuple(splits)
    self.framing = framing
    self.seed = seed
    self.rates = tuple(
      rates or (mixing_rate(split.num_rows) for split in splits)
    )
    self.epochs_per_window = -(-WINDOW_DRAWS // sum(self.rates))

  @functools.cached_property
  def _sizes(self) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns (length, targets) of every rendering of every split."""
    return [rendering_sizes(split, self.framing) for split in self.splits]

  def expected(self) -> tuple[float, float]:
    """Returns the mean (tokens, target tokens) of a window.

    The renderings of a row have equal weights, as they do over many passes.
    """
    tokens = targets = 0.0
    for split, rate, sizes in zip(
      self.splits, self.rates, self._sizes, strict=True
    ):
      renderings = np.diff(split.row_start)
      weight = 1 / np.repeat(renderings, renderings)
      scale = rate * self.epochs_per_window / split.num_rows
      tokens += scale * float((sizes[0] * weight).sum())
      targets += scale * float((sizes[1] * weight).sum())
    return tokens, targets

  def longest(self) -> tuple[int, int]:
    """Returns the maximum (tokens, target tokens) of one example."""
    lengths, targets = zip(*self._sizes, strict=True)
    return int(max(map(np.max, lengths))), int(max(map(np.max, targets)))

  def draws(self, window: int) -> Draws:
    """Returns the draws of one window, split after split."""
    passes, *columns = zip(
      *(self._order(index, window) for index in range(len(self.splits))),
      strict=True,
    )
    # All splits at once: many small permutations take twice as long.
    rows = permute(*map(np.concatenate, columns))
    rows = np.split(rows, np.cumsum([len(p) for p in passes])[:-1])
    draws = [
      self._draws_of(index, *about)
      for index, about in enumerate(zip(passes, rows, strict=True))
    ]
    columns = zip(*(vars(of_split).values() for of_split in draws), strict=True)
    return Draws(*map(np.concatenate, columns))

  def _order(self, index: int, window: int) -> tuple[np.ndarray, ...]:
    """Returns the pass of every draw of a split, and arguments of `permute`."""
    split = self.splits[index]
    count = self.rates[index] * self.epochs_per_window
    draw = np.arange(window * count, (window + 1) * count, dtype=np.int64)
    passes, place = np.divmod(draw, split.num_rows)
    numbers = range(int(passes[0]), int(passes[-1]) + 1)
    keys = np.array([key_of(self.seed, split.name, n) for n in numbers])
    size = np.full(count, split.num_rows)
    return passes, place, size, keys[passes - passes[0]]

  def _draws_of(self, index: int, passes: np.ndarray, row: np.ndarray) -> Draws:
    start, stop = (self.splits[index].row_start[row + i] for i in (0, 1))
    rendering = start + passes % (stop - start)
    length, targets = self._sizes[index]
    return Draws(
      split=np.full(len(row), index, np.int32),
      rendering=rendering.astype(np.int32),
      length=length[rendering],
      targets=targets[rendering],
    )


def rendering_sizes(
  split: CachedSplit, framing: Framing
) -> tuple[np.ndarray, np.ndarray]:
  """Returns (places, target tokens) of every training rendering, int32.

  The last token of an example takes no place, because it is only predicted.
  """
  targets = split.target_lengths(framing)
  lengths = split.prompt_lengths(framing) + targets - 1
  return lengths.astype(np.int32), targets.astype(np.int32)
