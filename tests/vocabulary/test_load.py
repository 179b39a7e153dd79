"""A setting names a vocabulary by file, by folder or as `mini`."""

import pathlib
import shutil

import pytest

from flan_jax.runtime.paths import user_path
from flan_jax.vocabulary.base import VocabularyError
from flan_jax.vocabulary.load import MINI_MODEL, load_vocabulary


def test_a_folder_and_its_file_are_the_same_vocabulary(folder, vocabulary):
  by_file = load_vocabulary(str(folder / 'tokenizer.json'))
  assert by_file.digest == vocabulary.digest
  assert vocabulary.path == str(folder / 'tokenizer.json')


def test_a_folder_with_a_sentencepiece_model(tmp_path):
  shutil.copyfile(MINI_MODEL, tmp_path / 'tokenizer.model')
  found = load_vocabulary(str(tmp_path))
  assert found.digest == load_vocabulary('mini').digest


def test_a_folder_with_neither_is_an_error(tmp_path):
  with pytest.raises(VocabularyError, match='VOCABULARY must be'):
    load_vocabulary(str(tmp_path))


@pytest.mark.parametrize('name', ['tokenizer', 'mini'])
def test_ids_without_text_decode_to_nothing(name, vocabulary):
  vocabulary = vocabulary if name == 'tokenizer' else load_vocabulary('mini')
  ids = vocabulary.encode('the cat')
  # A padded embedding can yield any of these.
  ids = [vocabulary.eos_id, *ids, vocabulary.size, vocabulary.size + 500]
  assert vocabulary.decode(ids) == 'the cat'


def test_a_file_that_is_no_model_is_named(tmp_path):
  (tmp_path / 'a.model').write_bytes(b'text')
  with pytest.raises(VocabularyError, match=r'a\.model is not a Sentence'):
    load_vocabulary(str(tmp_path / 'a.model'))


def test_the_home_directory_is_expanded(tmp_path, monkeypatch):
  monkeypatch.setenv('HOME', str(tmp_path))
  shutil.copyfile(MINI_MODEL, tmp_path / 'own.model')
  assert load_vocabulary('~/own.model').path == str(tmp_path / 'own.model')


def test_a_vocabulary_in_a_bucket_is_copied_without_the_model(
  folder, vocabulary, bucket
):
  there = user_path(f'{bucket}/base')
  for path in folder.iterdir():
    if path.is_file():
      (there / path.name).write_bytes(path.read_bytes())
  (there / 'params/weights').write_text('large')
  for spec in (f'{bucket}/base', f'{bucket}/base/tokenizer.json'):
    found = load_vocabulary(spec)
    assert found.digest == vocabulary.digest
    # What a checkpoint records is found on every machine.
    assert found.record()['path'] == spec
    assert not (pathlib.Path(found.path).parent / 'params').exists()
