"""A set of windows of words, found by their hashes."""

import dataclasses

import numpy as np

# Bits of the filter for each window. With two probes, 1.4 % of the windows that
# are not in the set pass it.
_FILTER_BITS = 16
_FEWEST_BITS = 12
# Odd. The second probe uses the high bits of a product with it.
_SECOND = np.uint64(0xC2B2AE3D27D4EB4F)
_LOW = np.uint8(7)


@dataclasses.dataclass(frozen=True)
class GramTable:
  """Entries, each of them some consecutive words of a text.

  An entry is found by the hash of its first `size` words. If it has more, their
  end is compared by the hash of its last `size` words, which overlap the first.

  Attributes:
    size: Words of a window.
    keys: Hash of the first window of each entry, in order, uint64 [entries].
    places: Where each entry begins in the text, in bytes, [entries].
    more: Words of each entry beyond `size`, uint8 [entries]; None for no more.
    tails: Hash of the last window, uint64 [entries]; None where `more` is.
    filter: Bits that are set for the keys, uint8 [2**k / 8].
  """

  size: int
  keys: np.ndarray
  places: np.ndarray
  more: np.ndarray | None
  tails: np.ndarray | None
  filter: np.ndarray

  @classmethod
  def of(
    cls,
    size: int,
    keys: np.ndarray,
    places: np.ndarray,
    more: np.ndarray | None = None,
    tails: np.ndarray | None = None,
  ) -> 'GramTable':
    """Returns a table of entries in any order; see the attributes."""
    order = np.argsort(keys, kind='stable')
    keys, places = keys[order], places[order]
    if more is not None:
      more, tails = more[order], tails[order]
    bits = max(_FEWEST_BITS, (_FILTER_BITS * len(keys)).bit_length())
    table = np.zeros(1 << (bits - 3), np.uint8)
    for number in (_first_probe(keys, bits), _second_probe(keys, bits)):
      bit = np.uint8(1) << (number.astype(np.uint8) & _LOW)
      np.bitwise_or.at(table, number >> 3, bit)
    return cls(size, keys, places, more, tails, table)

  def find(self, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (window, entry) pairs of equal hashes, [pairs], by window.

    Equal windows of the text are only found once, unless entries have more
    words than a window.

    Args:
      hashes: Hashes of all windows of `size` words of a text.
    """
    windows = self._maybe(hashes)
    keys = hashes[windows]
    if self.more is None:
      keys, first = np.unique(keys, return_index=True)
      windows = windows[first]
    low = np.searchsorted(self.keys, keys)
    counts = np.searchsorted(self.keys, keys, side='right') - low
    windows = np.repeat(windows, counts)
    # Numbers each of the equal keys: low, low + 1, …
    entries = np.arange(counts.sum()) + np.repeat(
      low - (np.cumsum(counts) - counts), counts
    )
    if self.more is not None:
      last = windows + self.more[entries]
      same = np.flatnonzero(last < len(hashes))
      same = same[hashes[last[same]] == self.tails[entries[same]]]
      windows, entries = windows[same], entries[same]
    order = np.argsort(windows, kind='stable')
    return windows[order], entries[order]

  def words(self, entry: int) -> int:
    """Returns the number of words of an entry."""
    return self.size + (0 if self.more is None else int(self.more[entry]))

  def _maybe(self, hashes: np.ndarray) -> np.ndarray:
    """Returns the windows that the filter does not exclude, int64."""
    bits = (8 * len(self.filter)).bit_length() - 1
    windows = np.flatnonzero(self._is_set(_first_probe(hashes, bits)))
    return windows[self._is_set(_second_probe(hashes[windows], bits))]

  def _is_set(self, number: np.ndarray) -> np.ndarray:
    """Returns whether bits of the filter are set, bool."""
    found = self.filter.take(number >> 3)
    found >>= number.astype(np.uint8) & _LOW
    found &= 1
    return found.view(bool)


def _first_probe(hashes: np.ndarray, bits: int) -> np.ndarray:
  """Returns the numbers of the filter's bits, int64."""
  return (hashes >> np.uint64(64 - bits)).view(np.int64)


def _second_probe(hashes: np.ndarray, bits: int) -> np.ndarray:
  return _first_probe(hashes * _SECOND, bits)
