"""Vocabularies say the same to Python, to tf.data and to the cache."""

import json
import shutil

from hypothesis import given, settings, strategies
import numpy as np
import pytest
import tensorflow as tf

from flan_jax.cache.cached_split import CacheConfig, Framing, SplitKey
from flan_jax.cache.writer import make_cached_splits
from flan_jax.definitions import registry
from flan_jax.testing.tiny_models import SPECIAL, write_tokenizer
from flan_jax.vocabulary.base import MINI_MODEL, load_vocabulary

_TEXTS = ('Options:\n- yes\n- no', '', 'naïve 日本語 🦊', ' the <|end|> then\t')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  path = tmp_path_factory.mktemp('tokenizer')
  write_tokenizer(path)
  return path


@pytest.fixture(scope='module')
def vocabulary(folder):
  return load_vocabulary(str(folder))


def _edited(folder, target, **settings_of_tokenizer):
  """A copy whose tokenizer_config.json says something else."""
  shutil.copytree(folder, target)
  path = target / 'tokenizer_config.json'
  config = json.loads(path.read_text()) | settings_of_tokenizer
  path.write_text(json.dumps(config))
  load_vocabulary.cache_clear()
  return str(target)


def test_a_folder_and_its_file_are_the_same_vocabulary(folder, vocabulary):
  by_file = load_vocabulary(str(folder / 'tokenizer.json'))
  assert by_file.digest == vocabulary.digest
  assert vocabulary.path == str(folder / 'tokenizer.json')


def test_a_folder_with_a_sentencepiece_model(tmp_path):
  shutil.copyfile(MINI_MODEL, tmp_path / 'tokenizer.model')
  found = load_vocabulary(str(tmp_path))
  assert found.digest == load_vocabulary('mini').digest


def test_a_folder_with_neither_is_an_error(tmp_path):
  with pytest.raises(FileNotFoundError, match='VOCABULARY is'):
    load_vocabulary(str(tmp_path))


@settings(max_examples=50, deadline=None)
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


@pytest.mark.parametrize('name', ['tokenizer', 'mini'])
def test_ids_without_text_decode_to_nothing(name, vocabulary):
  vocabulary = vocabulary if name == 'tokenizer' else load_vocabulary('mini')
  ids = vocabulary.encode('the cat')
  # A padded embedding can yield any of these.
  ids = [vocabulary.eos_id, *ids, vocabulary.size, vocabulary.size + 500]
  assert vocabulary.decode(ids) == 'the cat'


def test_what_starts_a_sequence_is_what_the_tokenizer_adds(
  folder, tmp_path, vocabulary
):
  # It has a start token, but does not use it.
  assert vocabulary.bos_id is None
  write_tokenizer(tmp_path, adds_bos=True)
  assert load_vocabulary(str(tmp_path)).bos_id == 0
  # Without the setting, what the tokenizer does decides.
  silent = _edited(tmp_path, tmp_path / 'silent', add_bos_token=None)
  assert load_vocabulary(silent).bos_id == 0


def test_the_end_token_must_be_known(folder, tmp_path):
  with pytest.raises(ValueError, match='which token ends a text'):
    load_vocabulary(_edited(folder, tmp_path / 'a', eos_token=None))
  with pytest.raises(ValueError, match='no token'):
    load_vocabulary(_edited(folder, tmp_path / 'b', eos_token='<|stop|>'))


def test_the_digest_covers_the_settings(folder, tmp_path, vocabulary):
  other = load_vocabulary(
    _edited(folder, tmp_path / 'a', eos_token={'content': SPECIAL[2]})
  )
  assert other.eos_id == 2
  assert other.digest != vocabulary.digest


def test_truncation_and_padding_of_the_file_are_ignored(folder, tmp_path):
  copy = _edited(folder, tmp_path / 'a')
  path = tmp_path / 'a' / 'tokenizer.json'
  content = json.loads(path.read_text())
  content['truncation'] = {
    'direction': 'Right',
    'max_length': 2,
    'strategy': 'LongestFirst',
    'stride': 0,
  }
  path.write_text(json.dumps(content))
  assert len(load_vocabulary(copy).encode('xyzxyz')) == 6


def test_seqio_encodes_and_decodes_the_same(vocabulary):
  seqio_vocabulary = vocabulary.as_seqio()
  expected = [vocabulary.encode(text) for text in _TEXTS]
  together = seqio_vocabulary.encode_tf(tf.constant(_TEXTS))
  assert together.to_list() == expected

  def one_by_one(text):
    ids = seqio_vocabulary.encode_tf(text)
    return ids, seqio_vocabulary.decode_tf(ids)

  dataset = tf.data.Dataset.from_tensor_slices(list(_TEXTS)).map(one_by_one)
  for text, ids, (got, back) in zip(_TEXTS, expected, dataset, strict=True):
    assert got.numpy().tolist() == ids == seqio_vocabulary.encode(text)
    assert back.numpy().decode() == text


def test_seqio_decodes_a_batch_up_to_the_end(vocabulary):
  rows = np.zeros((2, 6), np.int32)
  for row, text in zip(rows, ('xyz', 'ab'), strict=True):
    ids = [*vocabulary.encode(text), vocabulary.eos_id]
    row[: len(ids)] = ids
    row[len(ids) :] = vocabulary.encode('q')[0]
  texts = vocabulary.as_seqio().decode_tf(tf.constant(rows))
  assert texts.numpy().tolist() == [b'xyz', b'ab']


def test_a_cache_holds_the_same_texts(vocabulary, mini_data, tmp_path):
  registry.load()
  lengths = {'inputs': 4096, 'targets': 256}
  config = CacheConfig(str(tmp_path), mini_data, lengths=lengths)
  key = SplitKey('rte', 'train')

  def texts(vocabulary):
    (unit,) = make_cached_splits(
      [key], config, vocabulary, log=lambda line: None
    )
    assert unit.manifest['vocabulary']['digest'] == vocabulary.digest
    return [
      [vocabulary.decode(piece.tolist()) for piece in unit.pieces(record)]
      for record in unit.renderings
    ]

  assert texts(vocabulary) == texts(load_vocabulary('mini'))


def test_a_separator_can_surround_the_input(vocabulary):
  user, end = SPECIAL[2], SPECIAL[1]
  config = CacheConfig(
    '', separator=f'{user}Q {{input}}{end}\n', exemplar_separator='\n'
  )
  framing = Framing.of(config, vocabulary)
  assert framing.start == (2, *vocabulary.encode('Q '))
  assert framing.separator == (1, *vocabulary.encode('\n'))
  assert framing.prompt_overhead == len(framing.start) + len(framing.separator)
