"""Permutations that are computed index by index, without a shuffle."""

import hashlib

import numpy as np

_ROUNDS = 6


def key_of(*parts: str | int) -> np.uint64:
  """Returns a 64-bit key that depends on all its arguments."""
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
  """Maps indices through the permutation of range(size) that a key selects.

  A Feistel network permutes the smallest square of a power of two that holds
  `size`. Images outside the range are permuted again until they fall inside,
  which makes the map a bijection for every key.

  >>> permute(np.arange(5), 5, np.full(5, 7, np.uint64)).tolist()
  [0, 2, 3, 1, 4]

  Args:
    index: Integers below `size`, [n].
    size: Length of the permuted range, a scalar or [n].
    keys: 64-bit keys, a scalar or [n]. Indices with equal size and key share
      a permutation.

  Returns:
    int64 [n].
  """
  value = np.asarray(index).astype(np.uint64)
  keys = np.broadcast_to(np.asarray(keys, np.uint64), value.shape)
  size = np.broadcast_to(np.asarray(size, np.uint64), value.shape)
  # Each side of the network has half of the bits of the largest index.
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
