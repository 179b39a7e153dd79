"""Which checkpoints a setting names, and where their results go."""

import pytest

from flan_jax.errors import ConfigError
from flan_jax.runs.checkpoint_paths import labelled_checkpoints, one_checkpoint


def _same(path):
  return path


def test_a_single_checkpoint_has_no_label():
  assert labelled_checkpoints(None, 'model', _same) == {'': 'model'}
  assert labelled_checkpoints('a/30', 'model', _same) == {'': 'a/30'}
  assert labelled_checkpoints(['a/30'], 'model', _same) == {'': 'a/30'}


def test_several_are_labelled_by_the_last_part_of_their_path():
  found = labelled_checkpoints(['a/30/', 'b/40'], 'model', _same)
  assert found == {'30': 'a/30/', '40': 'b/40'}
  with pytest.raises(ConfigError, match=r'must differ .*: 30, 30'):
    labelled_checkpoints(['a/30', 'b/30'], 'model', _same)


def test_all_of_an_empty_folder_is_an_error(tmp_path):
  with pytest.raises(ConfigError, match="CHECKPOINT_PATH = 'all'"):
    labelled_checkpoints('all', str(tmp_path), _same)


def test_the_first_checkpoint_given_answers():
  assert one_checkpoint('a', 'b', 'c') == 'a'
  assert one_checkpoint(None, 'b', 'c') == 'b'
  assert one_checkpoint(None, None, 'c') == 'c'


@pytest.mark.parametrize('spec', [None, 'all', 'best', ['a', 'b']])
def test_several_or_none_are_refused(spec):
  with pytest.raises(ConfigError, match='set CHECKPOINT_PATH to one'):
    one_checkpoint(spec, None, None)
