"""Checks that a GGUF file is whole before the package gguf reads it.

The package trusts lengths and counts, and loops for hours over some that the
file does not have.
"""

import math
import mmap
import pathlib
import struct
from typing import Any

from flan_jax.interop.model_source import InteropError

_MAGIC, _VERSIONS = b'GGUF', (2, 3)
# Bytes of a value of each type of metadata; strings and arrays are longer.
_VALUE_BYTES = {
  **{0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1},
  **{10: 8, 11: 8, 12: 8},
}
_STRING, _ARRAY = 8, 9
_MOST_DIMENSIONS = 4
_ALIGNMENT = 'general.alignment'


def check_whole(path: pathlib.Path) -> None:
  """Walks through metadata and tensors of a file without reading the tensors.

  Raises:
    InteropError: the file cannot be read, or is damaged or cut off.
  """
  try:
    with path.open('rb') as file:
      with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        _Walk(data).check()
  except OSError as error:
    raise InteropError(f'{path} cannot be read: {error.strerror}') from error
  except ValueError as error:  # Also that of an empty file.
    raise InteropError(
      f'{path} is not a whole GGUF file ({error}): get the file again'
    ) from error


class _Walk:
  """A position in a file, which cannot leave it."""

  def __init__(self, data: mmap.mmap):
    self._data = data
    self._at = 0

  def check(self) -> None:
    """Raises ValueError if the file is not as its header says."""
    if self._data[:4] != _MAGIC:
      raise ValueError('it does not begin with GGUF')
    self._skip(4)
    version = self._number('I')
    if version not in _VERSIONS:
      raise ValueError(f'its version is {version}, only 2 and 3 can be read')
    tensors, values = self._number('Q'), self._number('Q')
    alignment = 32
    for _ in range(self._count(values, 13)):
      name, kind = self._text(), self._number('I')
      if name == _ALIGNMENT.encode() and kind == 4:
        (alignment,) = struct.unpack_from('<I', self._data, self._at)
      self._value(kind)
    sizes = [self._tensor() for _ in range(self._count(tensors, 24))]
    if not alignment or alignment & (alignment - 1):
      raise ValueError(f'{_ALIGNMENT} is {alignment}, which is no power of two')
    start = -(-self._at // alignment) * alignment
    for offset, size in sizes:
      self._at = start
      self._skip(offset)
      self._skip(size)

  def _skip(self, count: int) -> None:
    self._at += count
    if self._at > len(self._data):
      raise ValueError('it is cut off, or a length in it is wrong')

  def _count(self, count: int, least: int) -> int:
    """Returns a count of things that have at least so many bytes."""
    if count * least > len(self._data) - self._at:
      raise ValueError(f'it cannot have {count} entries')
    return count

  def _number(self, form: str) -> int:
    start = self._at
    self._skip(struct.calcsize(f'<{form}'))
    return struct.unpack_from(f'<{form}', self._data, start)[0]

  def _text(self) -> bytes:
    size = self._number('Q')
    self._skip(size)
    return self._data[self._at - size : self._at]

  def _value(self, kind: int) -> None:
    if kind == _STRING:
      self._skip(self._number('Q'))
    elif kind == _ARRAY:
      inner, count = self._number('I'), self._number('Q')
      if inner == _STRING:
        for _ in range(self._count(count, 8)):
          self._skip(self._number('Q'))
      else:
        self._skip(count * self._bytes(inner))
    else:
      self._skip(self._bytes(kind))

  def _bytes(self, kind: int) -> int:
    if kind not in _VALUE_BYTES:
      raise ValueError(f'its metadata has values of the unknown type {kind}')
    return _VALUE_BYTES[kind]

  def _tensor(self) -> tuple[int, int]:
    """Returns offset and size of a tensor in bytes."""
    name, dimensions = self._text(), self._number('I')
    where = f'the tensor {name[:64].decode(errors="replace")!r}'
    if not 1 <= dimensions <= _MOST_DIMENSIONS:
      raise ValueError(f'{where} has {dimensions} dimensions')
    count = math.prod(self._number('Q') for _ in range(dimensions))
    values, size = block(self._number('I'), where)
    if not count or count % values:
      raise ValueError(f'{where} has {count} values in blocks of {values}')
    return self._number('Q'), count // values * size


def block(kind: int, where: str) -> tuple[int, int]:
  """Returns how many values a block of a type has, and how many bytes.

  Raises:
    ValueError: there is no such type.
  """
  import gguf

  sizes: dict[Any, tuple[int, int]] = gguf.GGML_QUANT_SIZES
  found = next((sizes[k] for k in sizes if k.value == kind), None)
  if found is None:
    raise ValueError(f'{where} has the unknown quantization {kind}')
  return found
