"""64-bit hashes of words, and of windows of consecutive words.

The hash of a word is a polynomial of its bytes modulo 2**64, as in Rabin and
Karp (doi:10.1147/rd.312.0249): differences of running sums give the hashes of
all words of a block at once. That of a window is made from those of its halves.
The high bits of a hash are good; equal texts have equal hashes, and who needs
the converse compares the texts.
"""

import functools
from typing import NamedTuple

import numpy as np

# Odd, so that it has an inverse modulo 2**64.
_BASE = 0x9E3779B97F4A7C15
_WORD_BASE = 0xD6E8FEB86659FD93
_MODULUS = 1 << 64


class Words(NamedTuple):
  """The words of a folded text: where they are, and their hashes, [words]."""

  starts: np.ndarray  # int64
  ends: np.ndarray  # int64, one past the last byte.
  hashes: np.ndarray  # uint64


def words_of(folded: bytes) -> Words:
  """Returns the words of a text that spaces separate, see `folding.fold`."""
  text = np.frombuffer(folded, np.uint8)
  edges = np.flatnonzero(_edges(text))
  starts, ends = edges[0::2], edges[1::2]
  powers, inverses = _powers(max(16, len(text).bit_length()))
  sums = np.zeros(len(text) + 1, np.uint64)
  np.multiply(text, powers[: len(text)], out=sums[1:], dtype=np.uint64)
  np.cumsum(sums, out=sums)
  hashes = sums.take(ends)
  hashes -= sums.take(starts)
  hashes *= inverses.take(starts)
  return Words(starts, ends, hashes)


def count_words(folded: bytes) -> int:
  """Returns the number of words that spaces separate."""
  return np.count_nonzero(_edges(np.frombuffer(folded, np.uint8))) // 2


def _edges(text: np.ndarray) -> np.ndarray:
  """Returns where words begin or have just ended, bool [bytes + 1]."""
  space = np.ones(len(text) + 2, bool)
  np.equal(text, ord(' '), out=space[1:-1])
  return space[1:] != space[:-1]


@functools.cache
def _powers(bits: int) -> tuple[np.ndarray, np.ndarray]:
  """Returns the first 2**bits powers of the base and of its inverse."""
  found = []
  for base in (_BASE, pow(_BASE, -1, _MODULUS)):
    powers = np.full(1 << bits, base, np.uint64)
    powers[0] = 1
    found.append(np.cumprod(powers, out=powers))
  return tuple(found)


def window_hashes(hashes: np.ndarray, sizes) -> dict[int, np.ndarray]:
  """Returns size -> hashes of all windows of that many words.

  Args:
    hashes: Hashes of words, uint64 [words].
    sizes: Numbers of words, at least 1.

  Returns:
    Hashes by the first word, uint64 [max(words - size + 1, 0)].
  """
  doubled = {1: hashes}
  while (size := 2 * max(doubled)) <= max(sizes):
    half = doubled[size // 2]
    doubled[size] = _joined(half, half, size // 2, size // 2)
  return {size: _window(doubled, size) for size in sizes}


def _window(doubled: dict[int, np.ndarray], size: int) -> np.ndarray:
  """Joins windows of powers of two, the longest first."""
  found, length = None, 0
  for power in sorted(doubled, reverse=True):
    if size & power:
      part = doubled[power]
      found = part if found is None else _joined(found, part, length, power)
      length += power
  return found


def _joined(
  first: np.ndarray, second: np.ndarray, length: int, more: int
) -> np.ndarray:
  """Returns the hashes of windows of `length` words followed by `more`."""
  count = max(len(second) - length, 0)
  scale = np.uint64(pow(_WORD_BASE, more, _MODULUS))
  joined = first[:count] * scale
  joined += second[length:]
  return joined
