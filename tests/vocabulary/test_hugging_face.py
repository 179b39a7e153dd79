"""A tokenizer.json encodes data as text, and its settings name its tokens."""

import json
import shutil

from hypothesis import given, settings, strategies
import pytest

from flan_jax.testing.tiny_models import SPECIAL, write_tokenizer
from flan_jax.vocabulary.base import VocabularyError
from flan_jax.vocabulary.hugging_face import TokenizerVocabulary


def _edited(folder, target, **changes):
  """Returns a copy of a tokenizer with changes to tokenizer_config.json."""
  shutil.copytree(folder, target)
  path = target / 'tokenizer_config.json'
  config = json.loads(path.read_text()) | changes
  path.write_text(json.dumps(config))
  return TokenizerVocabulary(target / 'tokenizer.json')


@settings(max_examples=50)
@given(strategies.text())
def test_text_comes_back_as_it_was(vocabulary, text):
  assert vocabulary.decode(vocabulary.encode(text)) == text


def test_special_tokens_in_data_are_text_and_in_markup_tokens(vocabulary):
  text = f'a{SPECIAL[2]}b'
  assert not set(vocabulary.encode(text)) & set(vocabulary.special.values())
  assert vocabulary.encode_markup(text) == [
    *vocabulary.encode('a'),
    vocabulary.special[SPECIAL[2]],
    *vocabulary.encode('b'),
  ]


def test_pieces_are_the_text_of_ids_with_names_of_special_tokens(vocabulary):
  text = f'Wörter{SPECIAL[2]}a 🙂'
  ids = vocabulary.encode_markup(text)
  pieces = vocabulary.pieces(ids)
  assert len(pieces) == len(ids)
  assert SPECIAL[2] in pieces
  assert ''.join(pieces) == vocabulary.decode_markup(ids) == text
  # The bytes of a character are several tokens, and it is shown once.
  assert '🙂' in pieces and '\N{REPLACEMENT CHARACTER}' not in ''.join(pieces)
  # One that lacks its end is shown as such, before a special token as well.
  for cut in (ids[:-1], [*ids[:-1], 1]):
    joined = ''.join(vocabulary.pieces(cut))
    assert joined == vocabulary.decode_markup(cut)
    assert '\N{REPLACEMENT CHARACTER}' in joined


def test_several_tokens_end_a_generated_text(folder, tmp_path, vocabulary):
  assert vocabulary.end_ids == (1,)
  ends = tmp_path / 'several/generation_config.json'
  plain = _edited(folder, ends.parent)
  for stated, expected in (
    (2, (1, 2)),
    ([2, 1, 5, 2], (1, 2, 5)),
    (None, (1,)),
  ):
    ends.write_text(json.dumps({'eos_token_id': stated}))
    found = TokenizerVocabulary(plain.path)
    assert (found.end_ids, found.digest) == (expected, vocabulary.digest)
  for stated, named in (
    ('</s>', 'must be the id of a token, or'),
    ([2, 9999], '9999, but .* tokens: correct it'),
  ):
    ends.write_text(json.dumps({'eos_token_id': stated}))
    with pytest.raises(VocabularyError, match=named):
      TokenizerVocabulary(plain.path)


def test_what_starts_a_sequence_is_what_the_tokenizer_adds(
  folder, tmp_path, vocabulary
):
  # It has a start token but does not use it.
  assert vocabulary.bos_id is None
  write_tokenizer(tmp_path, adds_bos=True)
  assert TokenizerVocabulary(tmp_path / 'tokenizer.json').bos_id == 0
  # Without the setting, the tokenizer's own behavior decides.
  silent = _edited(tmp_path, tmp_path / 'silent', add_bos_token=None)
  assert silent.bos_id == 0


def test_the_end_token_must_be_known(folder, tmp_path):
  with pytest.raises(VocabularyError, match='does not define an end token'):
    _edited(folder, tmp_path / 'a', eos_token=None)
  with pytest.raises(VocabularyError, match='has no token'):
    _edited(folder, tmp_path / 'b', eos_token='<|stop|>')


def test_the_digest_covers_the_settings(folder, tmp_path, vocabulary):
  other = _edited(folder, tmp_path / 'a', eos_token={'content': SPECIAL[2]})
  assert other.eos_id == 2
  assert other.digest != vocabulary.digest


def test_truncation_and_padding_of_the_file_are_ignored(folder, tmp_path):
  shutil.copytree(folder, tmp_path / 'a')
  path = tmp_path / 'a' / 'tokenizer.json'
  content = json.loads(path.read_text())
  content['truncation'] = {
    'direction': 'Right',
    'max_length': 2,
    'strategy': 'LongestFirst',
    'stride': 0,
  }
  path.write_text(json.dumps(content))
  assert len(TokenizerVocabulary(path).encode('xyzxyz')) == 6


@pytest.mark.parametrize('name', ['tokenizer.json', 'tokenizer_config.json'])
def test_a_damaged_file_is_named(folder, tmp_path, name):
  shutil.copytree(folder, tmp_path / 'a')
  (tmp_path / 'a' / name).write_text('{"model"')
  with pytest.raises(VocabularyError, match=rf'{name} is not '):
    TokenizerVocabulary(tmp_path / 'a' / 'tokenizer.json')
