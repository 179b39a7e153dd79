"""Words as the search for shared texts compares them.

White space separates words. Of a word, the letters and digits count
(`str.isalnum`), after NFKC and case folding; what has none is no word. So
"Don't stop -- it's 5 o'clock" has the words "dont stop its 5 oclock". This is
GPT-3's normalization (arXiv:2005.14165, appendix C: lower case, no punctuation,
words by white space), stated for all of Unicode.

`fold_word` is the definition. `fold` computes the same for blocks of bytes, by
one table for ASCII and by another one for UTF-16 units.
"""

import functools
import unicodedata

import numpy as np

# Stands between documents. It is a word of its own that no text has.
BARRIER = b'\0'

_SPACE = ord(' ')
_ASCII = [chr(code) for code in range(128)]
_TO_LOWER = bytes.maketrans(
  ''.join(c for c in _ASCII if c.isspace() or c.isupper()).encode(),
  ''.join(
    ' ' if c.isspace() else c.lower()
    for c in _ASCII
    if c.isspace() or c.isupper()
  ).encode(),
)
_DELETED = bytes(
  ord(c)
  for c in _ASCII
  if not (c.isalnum() or c.isspace() or c.encode() == BARRIER)
)

# Units of UTF-16 that stand for no character: what is dropped, and what must be
# folded as a part of its word.
_DROPPED, _IN_CONTEXT = 0xFFFF, 0xFFFE
_SURROGATES = range(0xD800, 0xE000)
# Hangul vowels and final consonants join the letter before them.
_JOINING = range(0x1160, 0x1200)
_LONGEST_KEPT = 64


def fold_word(word: str) -> str:
  """Returns the letters and digits of a text without white space.

  >>> fold_word('“O’ﬁce-hours”'), fold_word('…')
  ('oficehours', '')
  """
  folded = unicodedata.normalize('NFKC', word).casefold()
  return ''.join(filter(str.isalnum, folded))


def fold_text(text: str) -> bytes:
  """Returns the words of a text in UTF-8, separated by single spaces.

  >>> fold_text('Well ...  NO!')
  b'well no'
  """
  block = text.encode('utf-8', 'replace').replace(BARRIER, b'')
  return b' '.join(fold(block).split())


def fold(block: bytes) -> bytes:
  """Returns the words of a UTF-8 text, separated by one or more spaces.

  What is not UTF-8 is no letter. A `BARRIER` between white space is kept.
  """
  if block.isascii():
    return block.translate(_TO_LOWER, _DELETED)
  text = block.decode('utf-8', 'replace')
  units = np.frombuffer(text.encode('utf-16-le'), '<u2')
  folded = _unit_table().take(units)
  folded = _fold_in_context(units, folded)
  folded = folded[folded != _DROPPED]
  return folded.tobytes().decode('utf-16-le').encode()


def _fold_in_context(units: np.ndarray, folded: np.ndarray) -> np.ndarray:
  """Replaces the words that have units that the table cannot fold."""
  hard = np.flatnonzero(folded == _IN_CONTEXT)
  if not hard.size:
    return folded
  spaces = np.flatnonzero(folded == _SPACE)
  bounds = np.concatenate([[-1], spaces, [len(units)]])
  words = np.unique(np.searchsorted(spaces, hard))
  pieces, done = [], 0
  for start, end in zip(bounds[words] + 1, bounds[words + 1], strict=True):
    word = _fold_bytes(units[start:end].tobytes())
    pieces += [folded[done:start], np.frombuffer(word, '<u2')]
    done = end
  return np.concatenate([*pieces, folded[done:]])


def _fold_bytes(word: bytes) -> bytes:
  # A long one is not a word that comes again.
  known = len(word) <= 2 * _LONGEST_KEPT
  return (_fold_known if known else _fold_utf16)(word)


def _fold_utf16(word: bytes) -> bytes:
  return fold_word(word.decode('utf-16-le')).encode('utf-16-le')


_fold_known = functools.lru_cache(1 << 16)(_fold_utf16)


@functools.cache
def _unit_table() -> np.ndarray:
  """Returns what each unit of UTF-16 folds to by itself, uint16 [65,536]."""
  return np.array([_fold_unit(code) for code in range(1 << 16)], '<u2')


def _fold_unit(code: int) -> int:
  if code in _SURROGATES:
    return _IN_CONTEXT
  char = chr(code)
  if char.isspace():
    return _SPACE
  if char.encode() == BARRIER:
    return code
  if any(map(_joins, unicodedata.normalize('NFKC', char))):
    return _IN_CONTEXT
  folded = fold_word(char)
  if not folded:
    return _DROPPED
  units = folded.encode('utf-16-le')
  return int.from_bytes(units, 'little') if len(units) == 2 else _IN_CONTEXT


def _joins(char: str) -> bool:
  """Whether a character may become one with the character before it."""
  return unicodedata.category(char)[0] == 'M' or ord(char) in _JOINING
