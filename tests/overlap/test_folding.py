"""Folding by tables gives the words that the definition gives."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st
import pytest

from flan_jax.overlap.folding import BARRIER, fold, fold_text, fold_word

# What folds in another way together than apart.
_HARD = (
  'e\u0301',  # Composed to one letter.
  'ß',
  'ﬁ',
  'İ',
  '´',  # Becomes a space and a mark.
  'ｶﾞ',  # Two half-width characters become one.
  '\u1112\u1161\u11ab',  # Three jamo, one syllable.
  'हिन्दी',
  '\U0001f600',
  '\U00010400',  # Has a lower case beyond 16 bits.
  '\u00a0',
  '\u3000',
  '\u2028',
  '\x1f',
  '½',
  '…',
  'ς',
)
_TEXTS = st.lists(
  st.one_of(
    st.text(max_size=6),
    st.text(st.characters(max_codepoint=0x24F), max_size=6),
    st.sampled_from([*_HARD, ' ', '\n', "o'clock,", 'Don’t']),
  )
).map(''.join)


def defined(text):
  words = (fold_word(word) for word in text.replace('\0', '').split())
  return ' '.join(filter(None, words)).encode()


@given(_TEXTS)
def test_the_tables_agree_with_the_definition(text):
  text = text.encode('utf-8', 'replace').decode()
  assert fold_text(text) == defined(text)


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_folds_as_it_does_among_other_letters(text):
  # A letter of another script sends the same text the general way.
  alone = fold_text(text)
  assert alone == defined(text)
  among = fold_text(f'{text} ж')
  assert among.split() == [*alone.split(), 'ж'.encode()]


@pytest.mark.parametrize('char', _HARD)
def test_every_hard_case_alone_and_in_a_word(char):
  for text in (char, f'a{char}', f'{char}a', f'a{char}b c'):
    assert fold_text(text) == defined(text)


def test_composed_and_decomposed_letters_are_equal():
  text = 'Ça déjà — naïve Übergröße, Ελλάδα, Ёлка'
  for form in ('NFC', 'NFD', 'NFKC', 'NFKD'):
    assert fold_text(unicodedata.normalize(form, text)) == fold_text(text)
  assert fold_text(text).decode() == 'ça déjà naïve übergrösse ελλάδα ёлка'


def test_every_character_by_itself():
  codes = [*range(0xD800), *range(0xE000, 0x20000)]
  text = ' x '.join(map(chr, codes))
  assert fold_text(text) == defined(text)


def test_barriers_stay_and_broken_utf_8_is_no_letter():
  block = b'One ' + BARRIER + b' two'
  assert fold(block).split() == [b'one', BARRIER, b'two']
  block = 'Öl '.encode() + BARRIER + b' x\xff\xfey'
  assert fold(block).split() == ['öl'.encode(), BARRIER, b'xy']
