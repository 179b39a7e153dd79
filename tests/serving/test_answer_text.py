"""Texts grow in pieces that are never taken back."""

import pytest

from flan_jax.serving.answer_text import GrowingText, token_texts
from flan_jax.vocabulary.load import load_vocabulary

_TEXTS = ('A horse.', 'naïve 日本語 🦊 end', '  two  spaces\n\nQ: no')


@pytest.mark.parametrize('text', _TEXTS)
def test_pieces_give_the_text_and_no_half_characters(text):
  vocabulary = load_vocabulary('mini')
  tokens = vocabulary.encode(text)
  growing = GrowingText(vocabulary.decode, [])
  pieces = [
    growing.add(tokens[:n], n == len(tokens)) for n in range(1, len(tokens) + 1)
  ]
  assert ''.join(pieces) == text
  assert '\N{REPLACEMENT CHARACTER}' not in ''.join(pieces)


@pytest.mark.parametrize('text', _TEXTS)
def test_the_texts_of_tokens_give_the_text(text):
  vocabulary = load_vocabulary('mini')
  tokens = vocabulary.encode(text)
  texts = token_texts(vocabulary.decode, tokens)
  assert ''.join(texts) == text
  assert len(texts) == len(tokens)


def test_the_start_of_a_stop_is_held_back_until_it_is_none():
  growing = GrowingText(lambda ids: ''.join(map(chr, ids)), ['END'])
  given = [
    growing.add([ord(c) for c in text]) for text in ('aE', 'aEN', 'aENx')
  ]
  assert given == ['a', '', 'ENx']
  assert growing.add([ord(c) for c in 'aENxEND!'], whole=True) == ''
