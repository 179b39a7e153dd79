"""Texts that end an answer: which are allowed, and where they cut."""

import pytest

from flan_jax.errors import ConfigError
from flan_jax.evaluation.generation.stopping import (
  never,
  stop_at,
  stop_texts,
  text_before,
)

_WORDS = ['a', '\n', '\nQ:', 'b']


def _decode(tokens):
  return ''.join(_WORDS[token] for token in tokens)


def test_stop_is_one_text_or_several():
  assert stop_texts(None) == stop_texts(()) == ()
  assert stop_texts('ab') == ('ab',)
  assert stop_texts(['a', 'b']) == ('a', 'b')


@pytest.mark.parametrize('texts', ['', ['\n', ''], [3]])
def test_empty_texts_are_refused(texts):
  with pytest.raises(ConfigError, match=r"STOP must be .* not (''|3)"):
    stop_texts(texts)


def test_an_answer_ends_with_the_token_that_completes_a_text():
  stop = stop_at(_decode, ['\n\n', 'ab'])
  assert stop([0, 1]) is None
  assert stop([0, 1, 2, 3]) == 3
  assert text_before(_decode([0, 1, 2]), ['\n\n', 'ab']) == 'a'
  assert text_before('aa', ['b']) == 'aa'


def test_without_texts_nothing_is_decoded():
  assert stop_at(None, []) is never
  assert never([1, 2]) is None
