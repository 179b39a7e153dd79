"""Equal words and windows have equal hashes, different ones do not."""

import random

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from flan_jax.overlap.word_hashes import count_words, window_hashes, words_of

_FOLDED = st.lists(
  st.sampled_from([b'a', b'b', b'ab', b'ba', b'aa', b'longer', b' ', b'  '])
).map(b' '.join)


@given(_FOLDED, st.integers(0, 3))
def test_words_are_where_split_finds_them(text, spaces):
  text = b' ' * spaces + text
  words = words_of(text)
  found = [
    text[start:end] for start, end in zip(words.starts, words.ends, strict=True)
  ]
  assert found == text.split()
  assert count_words(text) == len(found)
  by_word = {}
  for word, value in zip(found, words.hashes.tolist(), strict=True):
    assert by_word.setdefault(word, value) == value
  assert len(set(by_word.values())) == len(by_word)


@given(_FOLDED, st.integers(1, 20))
def test_windows_are_equal_where_their_words_are(text, size):
  listed = text.split()
  hashes = window_hashes(words_of(text).hashes, [size])[size]
  windows = [tuple(listed[i : i + size]) for i in range(len(listed) - size + 1)]
  assert len(hashes) == len(windows)
  assert len(set(hashes.tolist())) == len(set(windows))
  assert len(set(zip(windows, hashes.tolist(), strict=True))) == len(
    set(windows)
  )


@pytest.mark.parametrize('size', [1, 2, 7, 8, 13])
def test_a_window_has_the_same_hash_in_any_place(size):
  generator = random.Random(size)
  words = [str(generator.random()).encode() for _ in range(size)]
  alone = window_hashes(words_of(b' '.join(words)).hashes, [size])[size]
  text = b' '.join([b'before', b'it', *words, b'after'])
  among = window_hashes(words_of(text).hashes, [size, 2])[size]
  assert np.flatnonzero(among == alone[0]).tolist() == [2]
