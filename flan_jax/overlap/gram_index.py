"""Texts, found in other texts by the words that they share."""

from collections.abc import Iterable, Iterator
import dataclasses
import hashlib
import os
from typing import NamedTuple

from etils import epath
import numpy as np

from flan_jax.cache import storage
from flan_jax.overlap.folding import BARRIER, fold_text
from flan_jax.overlap.gram_table import GramTable
from flan_jax.overlap.word_hashes import window_hashes, words_of
from flan_jax.runtime.local_copies import local_path

_END = b' ' + BARRIER + b' '
# Bytes of text whose windows are hashed together.
_CHUNK = 1 << 20
_TEXT, _STARTS, _COUNTS = 'text.npy', 'starts.npy', 'counts.npy'
_ARRAYS = ('keys', 'places', 'more', 'tails', 'filter')


class Match(NamedTuple):
  """Words that a row shares with a text.

  Attributes:
    row: The row.
    word: Number of the first of the words in the text.
    start: Where it begins in the folded text, in bytes.
    words: The words, separated by single spaces.
  """

  row: int
  word: int
  start: int
  words: str


@dataclasses.dataclass(frozen=True)
class GramIndex:
  """The windows of `n` words of every row, and shorter rows as a whole.

  Attributes:
    text: The folded rows, each followed by `_END`, uint8 [bytes].
    starts: Where each row begins in it, int64 [rows].
    counts: Words of each row, int64 [rows].
    tables: Of all windows of n words; of rows with fewer words, by the largest
      power of two that is not above their number of words.
  """

  text: np.ndarray
  starts: np.ndarray
  counts: np.ndarray
  tables: tuple[GramTable, ...]

  @classmethod
  def of(cls, texts: Iterable[str], n: int) -> 'GramIndex':
    """Indexes the rows with these texts; n is at least 1."""
    rows = [fold_text(text) + _END for text in texts]
    ends = np.cumsum([0, *map(len, rows)])
    text = b''.join(rows)
    del rows
    # Half the memory, where it is enough.
    dtype = np.uint32 if len(text) < 1 << 32 else np.int64
    found: dict[int, list] = {}
    counts = [np.zeros(0, np.int64)]
    for first, last in _chunks(ends):
      chunk = text[ends[first] : ends[last]]
      offset = np.array(ends[first], dtype)
      counts.append(_add_chunk(chunk, offset, n, found))
    tables = []
    for size in sorted(found):
      columns = map(np.concatenate, zip(*found.pop(size), strict=True))
      tables.append(GramTable.of(size, *columns))
    starts, text = ends[:-1], np.frombuffer(text, np.uint8)
    return cls(text, starts, np.concatenate(counts), tuple(tables))

  def matches(self, folded: bytes, done: np.ndarray) -> Iterator[Match]:
    """Yields one match of each row that shares words with a text.

    Args:
      folded: The text, as `folding.fold` returns it.
      done: Rows to pass over, bool [rows]. Rows that match are added.
    """
    words = words_of(folded)
    sizes = [table.size for table in self.tables]
    windows = window_hashes(words.hashes, sizes) if sizes else {}
    for table in self.tables:
      places, entries = table.find(windows[table.size])
      begins = table.places[entries].astype(np.int64)
      rows = np.searchsorted(self.starts, begins, side='right') - 1
      new = np.flatnonzero(~done[rows])
      for k in new.tolist():
        row, word = int(rows[k]), int(places[k])
        if done[row]:
          continue
        count = table.words(int(entries[k]))
        start, end = int(words.starts[word]), int(words.ends[word + count - 1])
        shared = b' '.join(folded[start:end].split())
        if self._has(shared, int(begins[k])):
          done[row] = True
          yield Match(row, word, start, shared.decode())

  def _has(self, words: bytes, place: int) -> bool:
    """Whether the words are at a place; equal hashes do not prove it."""
    there = self.text[place : place + len(words) + 1]
    return there.tobytes() == words + b' '

  @property
  def nbytes(self) -> int:
    """Bytes of memory."""
    return sum(array.nbytes for array in self._arrays().values())

  @property
  def digest(self) -> str:
    """Digest of the rows."""
    return hashlib.sha256(self.text).hexdigest()

  def save(self, folder: epath.Path) -> None:
    """Writes the index to a folder, whole or not at all."""
    with storage.new_folder(folder) as place:
      for name, array in self._arrays().items():
        np.save(place / name, array)

  def _arrays(self) -> dict[str, np.ndarray]:
    found = {_TEXT: self.text, _STARTS: self.starts, _COUNTS: self.counts}
    for table in self.tables:
      for name in _ARRAYS:
        if (array := getattr(table, name)) is not None:
          found[f'{table.size}.{name}.npy'] = array
    return found

  @classmethod
  def load(cls, folder: str | os.PathLike) -> 'GramIndex':
    """Opens a saved index; processes of a machine share its memory."""
    folder = local_path(folder)
    names = [path.name for path in folder.iterdir()]
    # As plain arrays, which are read faster.
    arrays = {
      name: np.asarray(np.load(folder / name, mmap_mode='r')) for name in names
    }
    sizes = sorted({int(name.split('.')[0]) for name in names if name[0] < 'a'})
    tables = [
      GramTable(size, *(arrays.get(f'{size}.{name}.npy') for name in _ARRAYS))
      for size in sizes
    ]
    return cls(arrays[_TEXT], arrays[_STARTS], arrays[_COUNTS], tuple(tables))


def _chunks(ends: np.ndarray) -> Iterator[tuple[int, int]]:
  """Yields ranges of rows that have about `_CHUNK` bytes."""
  first, count = 0, len(ends) - 1
  while first < count:
    last = int(np.searchsorted(ends, ends[first] + _CHUNK))
    last = min(max(last, first + 1), count)
    yield first, last
    first = last


def _add_chunk(
  chunk: bytes, offset: np.ndarray, n: int, found: dict[int, list]
) -> np.ndarray:
  """Adds the entries of some rows to size -> arguments of `GramTable.of`.

  Args:
    chunk: The rows, each followed by `_END`.
    offset: Where they begin in the text, in the type of places.
    n: Words of a window.
    found: Is added to.

  Returns:
    Words of each row, int64 [rows].
  """
  words = words_of(chunk)
  ends = np.flatnonzero(np.frombuffer(chunk, np.uint8)[words.starts] == 0)
  firsts = np.concatenate([[0], ends[:-1] + 1])
  counts = ends - firsts
  places = offset + words.starts.astype(offset.dtype)
  short = np.unique(counts[(0 < counts) & (counts < n)])
  sizes = {int(count): 1 << int(count).bit_length() - 1 for count in short}
  windows = window_hashes(words.hashes, {n, *sizes.values()})
  # A window lies in the row that it begins in if it ends before the row does.
  row = np.repeat(np.arange(len(counts)), counts + 1)
  whole = np.arange(len(row)) + n <= ends[row]
  found.setdefault(n, []).append(
    (windows[n][whole[: len(windows[n])]], places[whole])
  )
  for count, size in sizes.items():
    first = firsts[counts == count]
    last = first + count - size
    more = np.full(len(first), count - size, np.uint8)
    hashes = windows[size]
    found.setdefault(size, []).append(
      (hashes[first], places[first], more, hashes[last])
    )
  return counts
