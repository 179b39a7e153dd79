"""Corpora with planted texts."""

import gzip
import json
import pathlib
import random

import pytest

_LETTERS = 'abcdefghijklmnopqrstuvwxyzäöüßéж'


def sentences(seed: int, count: int, words: int = 20) -> list[str]:
  """Returns random sentences, with capitals and punctuation."""
  generator = random.Random(seed)
  return [
    ' '.join(
      ''.join(generator.choices(_LETTERS, k=generator.randint(2, 9)))
      for _ in range(words)
    ).capitalize()
    + '.'
    for _ in range(count)
  ]


def write(path: pathlib.Path, texts: list[str]) -> pathlib.Path:
  """Writes texts in the form that the name of a file asks for."""
  plain = path.name.removesuffix('.gz').removesuffix('.zst')
  if plain.endswith('.jsonl'):
    rows = ({'n': n, 'text': text} for n, text in enumerate(texts))
    content = ''.join(json.dumps(row) + '\n' for row in rows).encode()
  else:
    content = '\n'.join(texts).encode()
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_bytes(_compressed(path.name, content))
  return path


def _compressed(name: str, content: bytes) -> bytes:
  if name.endswith('.gz'):
    return gzip.compress(content)
  if name.endswith('.zst'):
    zstandard = pytest.importorskip('zstandard')
    # Two frames, as some tools write them.
    half = len(content) // 2
    parts = content[:half], content[half:]
    return b''.join(map(zstandard.ZstdCompressor().compress, parts))
  return content
