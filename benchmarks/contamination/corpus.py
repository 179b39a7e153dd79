"""Synthetic rows, and a corpus in which some of them are planted."""

from collections.abc import Iterator
import gzip
import json
import pathlib
import random

import numpy as np

# Form -> how its files are named and which share of its words is not ASCII.
FORMS = {
  'text': ('.txt', 0.0),
  'text_with_accents': ('.txt', 0.02),
  'json_lines': ('.jsonl', 0.0),
  'json_lines_gzip': ('.jsonl.gz', 0.0),
}
_VOCABULARY = 50_000
_LETTERS = 'eeettaoinshrdlucmfwypvbgkqjxz'
_ACCENTS = 'éèüöäñçßжи'
_WORDS_A_DOCUMENT = 500
# Words of a row. Shorter ones would be in the corpus by chance.
_FEWEST, _MOST = 8, 120


class Texts:
  """Draws words whose frequencies fall as those of a language do."""

  def __init__(self, seed: int):
    self._generator = np.random.default_rng(seed)
    names = random.Random(0)
    words = {
      ''.join(names.choices(_LETTERS, k=2 + min(rank.bit_length() // 2, 9)))
      for rank in range(2 * _VOCABULARY)
    }
    self._words = sorted(words, key=lambda word: (len(word), word))
    self._words = self._words[:_VOCABULARY]
    weights = 1 / np.arange(1, len(self._words) + 1)
    self._sums = np.cumsum(weights / weights.sum())

  def words(self, count: int) -> list[str]:
    """Returns random words."""
    drawn = np.searchsorted(self._sums, self._generator.random(count))
    last = len(self._words) - 1
    return [self._words[rank] for rank in np.minimum(drawn, last).tolist()]

  def written(self, count: int, accents: float) -> str:
    """Returns a text with capitals, punctuation and some accents."""
    words = self.words(count)
    kinds = self._generator.random(count)
    for n in np.flatnonzero(kinds < 0.2).tolist():
      words[n] = f'{words[n].capitalize()}{",.;"[n % 3]}'
    for n in np.flatnonzero(kinds > 1 - accents).tolist():
      words[n] = f'“{words[n]}{_ACCENTS[n % len(_ACCENTS)]}’s'
    return ' '.join(words)


def make_rows(count: int) -> list[str]:
  """Returns the texts of rows; no two share many words in a row by chance."""
  texts, lengths = Texts(1), random.Random(1)
  return [
    ' '.join(texts.words(lengths.randint(_FEWEST, _MOST))) for _ in range(count)
  ]


def write_corpus(
  path: pathlib.Path, accents: float, size: int, planted: list[str], seed: int
) -> int:
  """Writes about `size` bytes of text and the planted rows; returns the size.

  The name of the file tells its form.
  """
  texts, written = Texts(seed), 0
  is_json = '.jsonl' in path.name
  file = gzip.open(path, 'wb', 1) if path.suffix == '.gz' else open(path, 'wb')
  with file:
    for text in _documents(texts, accents, size, planted):
      line = json.dumps({'text': text}) if is_json else text
      file.write(f'{line}\n'.encode())
      written += len(text.encode()) + 1
  return written


def _documents(
  texts: Texts, accents: float, size: int, planted: list[str]
) -> Iterator[str]:
  """Yields documents; the planted rows are spread evenly over them."""
  left, written = list(planted), 0
  while written < size or left:
    document = texts.written(_WORDS_A_DOCUMENT, accents)
    if left and written >= size * (1 - len(left) / len(planted)):
      document = f'{document} {left.pop().upper()} … {texts.written(5, 0)}'
    written += len(document)
    yield document
