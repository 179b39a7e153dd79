"""Reads a range of a corpus in blocks that fit a processor's cache."""

from collections.abc import Iterator, Sequence
import dataclasses
import io
from typing import IO

from flan_jax.errors import UserError
from flan_jax.overlap.compressed_files import open_range
from flan_jax.overlap.corpus_files import CorpusRange
from flan_jax.overlap.folding import BARRIER, fold
from flan_jax.overlap.gram_index import Match
from flan_jax.overlap.word_hashes import count_words
from flan_jax.runtime.json_text import parse_json

_BLOCK = 1 << 18
_SPACES = (b' ', b'\n', b'\t', b'\r')
# As long as a barrier, and no letter either.
_NO_BARRIER = b'\1'


@dataclasses.dataclass(frozen=True)
class Block:
  """Some text of a file.

  Attributes:
    text: UTF-8, with barriers between documents.
    offset: Where it begins in the uncompressed file, in bytes.
    size: Bytes of texts that belong to the range, and to no block before.
    lines: Where the line of each document begins; None for plain text.
  """

  text: bytes
  offset: int
  size: int
  lines: Sequence[int] | None = None

  def place(self, folded: bytes, match: Match) -> int:
    """Returns where a match of the folded block is in the file, in bytes.

    In JSON Lines, this is where the line begins.
    """
    if self.lines is not None:
      return self.lines[folded.count(BARRIER, 0, match.start)]
    # Counts words in one half of what is left, until no space divides it.
    low, high, word = 0, len(self.text), match.word
    while (cut := _middle_space(self.text, low, high)) > low:
      before = count_words(fold(self.text[low:cut]))
      if before <= word:
        low, word = cut, word - before
      else:
        high = cut
    return self.offset + low + self.text.startswith(_SPACES, low)


def _middle_space(text: bytes, low: int, high: int) -> int:
  """Returns where a space near the middle of low + 1 … high is, or -1."""
  middle = (low + 1 + high) // 2
  found = [at for c in _SPACES if (at := text.find(c, middle, high)) >= 0]
  if found:
    return min(found)
  return max(text.rfind(c, low + 1, middle) for c in _SPACES)


def read_blocks(of: CorpusRange, n: int, key: str) -> Iterator[Block]:
  """Yields the texts of a range in order, in blocks of about 256 KiB.

  Consecutive blocks of a text share n - 1 words, so that every window of n
  words is in one of them. Those at the end of a range may begin in the next
  one. Only windows with a word, or with other characters between its words, of
  more than 128 KiB are divided.

  Args:
    of: The range.
    n: Words of a window.
    key: The key of the text in JSON Lines.

  Raises:
    UserError: the file is binary or damaged, or a line has no text.
  """
  with open_range(of) as file:
    if of.is_json:
      yield from _json_blocks(file, of, n, key)
    else:
      yield from _text_blocks(file, of.path, n, of.start, of.stop)


def _text_blocks(
  file: IO[bytes], path: str, n: int, start: int = 0, stop: int | None = None
) -> Iterator[Block]:
  offset, covered, rest = start, start, b''
  if start:
    # The word that is there, or before, belongs to the range before.
    offset = file.seek(start - 1)
    rest = file.read(_BLOCK)
    space = min((i for c in _SPACES if (i := rest.find(c)) >= 0), default=None)
    cut = len(rest) if space is None else space
    offset, rest = offset + cut, rest[cut:]
  first = True
  while stop is None or offset < stop:
    more = file.read(_BLOCK)
    text = rest + more
    if first and BARRIER in text:
      raise UserError(
        f'{path} is binary: a corpus is text or JSON Lines (.jsonl), also '
        'compressed by gzip (.gz) or zstd (.zst)'
      )
    first = False
    text = text.replace(BARRIER, _NO_BARRIER)
    end = max(text.rfind(c, len(text) // 2) for c in _SPACES)
    if not more or end < 0:
      end = len(text)
    reached = offset + end if stop is None else min(offset + end, stop)
    yield Block(text[:end], offset, max(reached - covered, 0))
    covered = max(covered, reached)
    if not more:
      return
    kept = _last_words(text[:end], n - 1)
    offset, rest = offset + kept, text[kept:]


def _last_words(text: bytes, count: int) -> int:
  """Returns where the last words of a text begin, near its end."""
  low = max(0, len(text) - _BLOCK // 2)
  near, pieces = text[low:], count
  while True:
    head, *last = near.rsplit(None, pieces) or [b'']
    if len(last) < pieces:
      # The end of a word is another word: a block does not begin with it.
      ends = low and text[low - 1 : low] not in _SPACES
      found = [i for c in _SPACES if (i := near.find(c)) >= 0]
      return low + min(found) if ends and found else low
    if len(fold(b' '.join(last)).split()) >= count:
      return low + len(head)
    pieces *= 2


def _json_blocks(
  file: IO[bytes], of: CorpusRange, n: int, key: str
) -> Iterator[Block]:
  offset = of.start
  if offset:
    # The line that is there, or before, belongs to the range before.
    offset = file.seek(of.start - 1)
    offset += len(file.readline())
  texts, lines, size = [], [], 0
  while of.stop is None or offset < of.stop:
    line = file.readline()
    if not line:
      break
    text = _document(line, of.path, offset, key)
    if len(text) > _BLOCK:
      for block in _text_blocks(io.BytesIO(text), of.path, n):
        yield Block(block.text, offset, block.size, [offset])
    else:
      texts += (text, b' ', BARRIER, b' ')
      lines.append(offset)
      size += len(text)
    offset += len(line)
    if size >= _BLOCK:
      yield Block(b''.join(texts), lines[0], size, lines)
      texts, lines, size = [], [], 0
  if texts:
    yield Block(b''.join(texts), lines[0], size, lines)


def _document(line: bytes, path: str, offset: int, key: str) -> bytes:
  """Returns the text of a line of JSON; nothing of an empty line."""
  if line.isspace():
    return b''
  place = f'{path}, line at byte {offset}'
  row = parse_json(line, place, fix='correct it, or name text files .txt')
  if not isinstance(row, dict) or not isinstance(row.get(key), str):
    known = ', '.join(row) if isinstance(row, dict) else type(row).__name__
    raise UserError(
      f'{place}: it has no text {key!r}; it has {known}. Name the key of the '
      'text by --text_key'
    )
  text = row[key].encode('utf-8', 'replace')
  return text.replace(BARRIER, _NO_BARRIER)
