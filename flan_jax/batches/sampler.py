"""Which example comes when: a pure function of (cache, rates, seed, window).

Nothing is replayed: the draws of any window are computed from permutations
that are functions, not shuffles.
"""

from collections.abc import Sequence
import dataclasses
import functools
import hashlib

import numpy as np

from flan_jax.cache.cached_split import CachedSplit, Framing
from flan_jax.definitions.mixture_plan import MIXING_CAP

WINDOW_DRAWS = 32_768

_ROUNDS = 6


def key_of(*parts: str | int) -> np.uint64:
  """Returns a 64-bit key that depends on every part."""
  text = '\x1f'.join(map(str, parts)).encode()
  return np.uint64(int.from_bytes(hashlib.sha256(text).digest()[:8], 'little'))


def _mix(x: np.ndarray) -> np.ndarray:
  """Mixes the bits of 64-bit words in place (SplitMix64's finalizer)."""
  x ^= x >> np.uint64(30)
  x *= np.uint64(0xBF58476D1CE4E5B9)
  x ^= x >> np.uint64(27)
  x *= np.uint64(0x94D049BB133111EB)
  x ^= x >> np.uint64(31)
  return x


def permute(
  index: np.ndarray, size: int | np.ndarray, keys: np.ndarray
) -> np.ndarray:
  """Maps indices through the permutation of range(size) that a key names.

  A Feistel network over the smallest square of a power of two that holds
  `size`, walked until the image falls inside: a bijection for every key.

  >>> permute(np.arange(5), 5, np.full(5, 7, np.uint64)).tolist()
  [0, 2, 3, 1, 4]

  Args:
    index: Integers below `size`, [n].
    size: Length of the permuted range, one for all or [n].
    keys: 64-bit keys, one for all or [n]; indices with one size and key share
      a permutation.

  Returns:
    int64 [n].
  """
  value = np.asarray(index).astype(np.uint64)
  keys = np.broadcast_to(np.asarray(keys, np.uint64), value.shape)
  size = np.broadcast_to(np.asarray(size, np.uint64), value.shape)
  # Bits of the largest index, of which a side of the network has half.
  bits = np.frexp(np.maximum(size, 2).astype(float) - 1)[1]
  halves = ((bits + 1) // 2).astype(np.uint64)
  todo = np.arange(value.size)
  with np.errstate(over='ignore'):
    while todo.size:
      key, half, image = keys[todo], halves[todo], value[todo]
      mask = (np.uint64(1) << half) - np.uint64(1)
      left, right = image >> half, image & mask
      for turn in range(_ROUNDS):
        word = _mix(right + (key + np.uint64(turn << 32)))
        word &= mask
        left, right = right, np.bitwise_xor(left, word, out=left)
      image = (left << half) | right
      value[todo] = image
      todo = todo[image >= size[todo]]
  return value.astype(np.int64)


@dataclasses.dataclass(frozen=True)
class Draws:
  """The examples of one window, in drawing order.

  Attributes:
    split: Index of the split, int32 [draws].
    rendering: Index of the rendering in it, int32 [draws].
    length: Input tokens of the packed example, int32 [draws].
    targets: Target tokens it is trained on, int32 [draws].
  """

  split: np.ndarray
  rendering: np.ndarray
  length: np.ndarray
  targets: np.ndarray

  @classmethod
  def joined(cls, draws: Sequence['Draws']) -> 'Draws':
    """Returns the draws of several, one after the other."""
    names = [field.name for field in dataclasses.fields(cls)]
    return cls(*(np.concatenate([getattr(d, n) for d in draws]) for n in names))

  def take(self, index: np.ndarray) -> 'Draws':
    """Returns the draws at some places."""
    return Draws(
      self.split[index],
      self.rendering[index],
      self.length[index],
      self.targets[index],
    )


class Sampler:
  """Draws windows of examples from several splits at given rates.

  A mixture epoch draws from split d exactly rate_d times; a window is the
  fewest whole mixture epochs with at least `WINDOW_DRAWS` draws. The n-th
  draw of split d is row permutation(seed, d, n div rows_d)[n mod rows_d],
  under the rendering that the row's order gives for pass n div rows_d.
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
      framing: What stands between the spans, counted in the lengths.
      seed: Decides the order.
      rates: Draws from each split in a mixture epoch; min(rows, 3,000) where
        None.

    Raises:
      ValueError: no split, or a split without rows.
    """
    empty = [split.name for split in splits if split.num_rows == 0]
    if not splits or empty:
      raise ValueError(
        f'nothing to train on: {empty or "the mixture is empty"}'
      )
    self.splits = tuple(splits)
    self.framing = framing
    self.seed = seed
    self.rates = tuple(
      rates or (min(split.num_rows, MIXING_CAP) for split in splits)
    )
    epochs = -(-WINDOW_DRAWS // sum(self.rates))
    self.epochs_per_window = epochs

  @functools.cached_property
  def _sizes(self) -> list[tuple[np.ndarray, np.ndarray]]:
    """(length, targets) of every rendering of every split."""
    return [rendering_sizes(split, self.framing) for split in self.splits]

  def expected(self) -> tuple[float, float]:
    """Returns the mean (tokens, target tokens) of a window.

    Every rendering of a row counts alike, as it does over many passes.
    """
    tokens = targets = 0.0
    for split, rate, sizes in zip(
      self.splits, self.rates, self._sizes, strict=True
    ):
      weight = 1 / np.repeat(np.diff(split.row_start), np.diff(split.row_start))
      scale = rate * self.epochs_per_window / split.num_rows
      tokens += scale * float((sizes[0] * weight).sum())
      targets += scale * float((sizes[1] * weight).sum())
    return tokens, targets

  def longest(self) -> tuple[int, int]:
    """Returns the most tokens, and the most target tokens, of one example."""
    return (
      max(int(length.max()) for length, _ in self._sizes),
      max(int(targets.max()) for _, targets in self._sizes),
    )

  def draws(self, window: int, chosen: Sequence[int] | None = None) -> Draws:
    """Returns the draws of one window, those of a split together.

    Args:
      window: The window.
      chosen: Indices of the splits; all where None.
    """
    if chosen is None:
      chosen = range(len(self.splits))
    passes, *columns = zip(
      *(self._order(index, window) for index in chosen), strict=True
    )
    # All splits at once: many small permutations take twice as long.
    rows = permute(*map(np.concatenate, columns))
    rows = np.split(rows, np.cumsum([len(p) for p in passes])[:-1])
    return Draws.joined(
      [
        self._draws_of(*about)
        for about in zip(chosen, passes, rows, strict=True)
      ]
    )

  def _order(self, index: int, window: int) -> tuple[np.ndarray, ...]:
    """Returns the pass of every draw of a split, and how its row is found.

    Returns:
      Passes, and the arguments of `permute`.
    """
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
  """Returns (input tokens, target tokens) of every training rendering, int32.

  An example of n tokens takes n - 1 places in a row: its last token is only
  ever predicted.
  """
  renderings = split.renderings
  targets = split.span_lengths[renderings['first'] + 1]
  targets = targets + len(framing.end) * (1 - renderings['targets_cut'])
  lengths = split.prompt_lengths(framing) + targets - 1
  return lengths.astype(np.int32), targets.astype(np.int32)
