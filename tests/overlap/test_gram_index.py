"""Rows are found by shared windows, short ones by their whole text."""

import random

from etils import epath
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from flan_jax.overlap import gram_index
from flan_jax.overlap.folding import fold
from flan_jax.overlap.gram_index import GramIndex

_WORDS = [f'{a}{b}' for a in 'bcdfg' for b in ('a', 'e', 'ö')]
_TEXT = st.lists(st.sampled_from(_WORDS), max_size=12).map(' '.join)


def matches(index, text):
  done = np.zeros(len(index.starts), bool)
  found = list(index.matches(fold(text.encode()), done))
  assert sorted(match.row for match in found) == np.flatnonzero(done).tolist()
  return {match.row: match for match in found}


def shares(row, text, n):
  """Whether two texts share n words in a row, or all of a shorter row."""
  row, text = row.split(), text.split()
  size = min(n, len(row))
  windows = {tuple(row[i : i + size]) for i in range(len(row) - size + 1)}
  return size > 0 and any(
    tuple(text[i : i + size]) in windows for i in range(len(text) - size + 1)
  )


@given(st.lists(_TEXT, max_size=6), _TEXT, st.integers(1, 6))
def test_what_is_found_is_what_a_loop_finds(rows, text, n):
  found = matches(GramIndex.of(rows, n), text)
  assert set(found) == {
    number for number, row in enumerate(rows) if shares(row, text, n)
  }
  for row, match in found.items():
    assert f' {match.words} ' in f' {rows[row]} '
    words = match.words.split()
    assert words == text.split()[match.word : match.word + len(words)]
    assert len(words) == min(n, len(rows[row].split()))
    assert fold(text.encode())[match.start :].startswith(match.words.encode())


def test_case_and_punctuation_do_not_matter():
  index = GramIndex.of(['“Well,” she said -- “it’s 5 o’clock.”'], 13)
  assert matches(index, "so: WELL she SAID its 5 o'clock... then")
  assert not matches(index, 'well she said it is 5 oclock')


@pytest.mark.parametrize('count', range(1, 14))
def test_short_rows_match_as_a_whole(count):
  words = [f'w{i}' for i in range(count)]
  index = GramIndex.of([' '.join(words)], 13)
  assert index.counts.tolist() == [count]
  assert matches(index, ' '.join(['x', *words, 'y']))
  for changed in range(count):
    other = [*words[:changed], 'z', *words[changed + 1 :]]
    assert not matches(index, ' '.join(other))
  assert not matches(index, ' '.join(words[:-1]))


def test_rows_without_words_match_nothing():
  index = GramIndex.of(['', '?!', 'one two'], 13)
  assert index.counts.tolist() == [0, 0, 2]
  assert set(matches(index, '?! one two')) == {2}
  assert not matches(GramIndex.of(['', '...'], 13), 'any words')


def test_words_of_two_rows_or_documents_do_not_join():
  words = [f'w{i}' for i in range(13)]
  index = GramIndex.of([' '.join(words[:6]) + ' a b c d e f g h', 'w12'], 13)
  assert not matches(index, ' '.join(words[:6]) + ' \0 a b c d e f g h')
  rows = GramIndex.of([' '.join(words[:9]), ' '.join(words[9:] * 5)], 13)
  assert set(matches(rows, ' '.join(words))) == {0}


def test_equal_hashes_are_not_enough(monkeypatch):
  def weak(hashes, sizes):
    count = len(hashes)
    return {s: np.zeros(max(count - s + 1, 0), np.uint64) for s in sizes}

  monkeypatch.setattr(gram_index, 'window_hashes', weak)
  rows = ['a b c d e', 'f g', 'h i j', 'k l m n o p q']
  index = GramIndex.of(rows, 4)
  assert not matches(index, 'a b c e d f h j i k l m o n')


def test_windows_of_many_chunks_are_all_found(monkeypatch):
  monkeypatch.setattr(gram_index, '_CHUNK', 100)
  generator = random.Random(0)
  rows = [
    ' '.join(
      str(generator.random()) for _ in range(generator.choice([2, 5, 9]))
    )
    for _ in range(60)
  ]
  index = GramIndex.of([*rows, rows[3]], 4)
  for number, row in enumerate(rows):
    expected = {number} | ({60} if number == 3 else set())
    assert set(matches(index, f'x {row} y')) == expected


def test_a_saved_index_finds_the_same(tmp_path):
  rows = ['a b c d', 'a b c d e f', 'e', '', 'f g h']
  index = GramIndex.of(rows, 4)
  index.save(epath.Path(tmp_path / 'index'))
  loaded = GramIndex.load(tmp_path / 'index')
  text = 'a b c d e f g h'
  assert matches(loaded, text) == matches(index, text) != {}
  assert loaded.digest == index.digest
  assert loaded.counts.tolist() == [4, 6, 1, 0, 3]
