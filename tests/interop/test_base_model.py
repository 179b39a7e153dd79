"""A base model in an installed package is imported on first use."""

import pathlib

import pytest

from flan_jax.errors import ConfigError
from flan_jax.interop import base_model
from flan_jax.runtime import child


def test_other_paths_are_returned_unchanged(tmp_path):
  assert base_model.locate(None, tmp_path) is None
  assert base_model.locate('mini', tmp_path) == 'mini'
  assert base_model.locate('/some/folder', tmp_path) == '/some/folder'
  assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named_with_the_fix(tmp_path):
  with pytest.raises(ConfigError, match=r'pip install no-such-model'):
    base_model.locate('package:no_such_model', tmp_path)


def test_a_package_is_imported_once_and_completely(tmp_path, monkeypatch):
  calls = []

  def fake(command, arguments):
    assert command == 'import'
    source, out = (argument.partition('=')[2] for argument in arguments)
    calls.append(source)
    folder = tmp_path / 'imported' / out.rpartition('/')[2]
    assert not folder.exists()
    folder.mkdir(parents=True)
    if len(calls) == 1:
      (folder / 'params').write_text('half')
      return False
    (folder / 'model.gin').write_text('')
    return True

  monkeypatch.setattr(child, 'succeeds', fake)
  with pytest.raises(ConfigError, match='package:pytest could not be imported'):
    base_model.locate('package:pytest', tmp_path)
  # The rest of the interrupted import is removed first.
  folder = base_model.locate('package:pytest', tmp_path)
  assert base_model.locate('package:pytest', tmp_path) == folder
  assert calls == ['pytest', 'pytest']
  assert folder.startswith(str(tmp_path / 'imported/pytest-'))


def test_a_folder_or_file_is_imported_again_if_it_changes(
  tmp_path, monkeypatch
):
  source, calls = tmp_path / 'model.gguf', []
  source.write_bytes(b'one')

  def fake(command, arguments):
    calls.append(arguments[0])
    folder = pathlib.Path(arguments[1].partition('=')[2])
    folder.mkdir(parents=True)
    (folder / 'model.gin').write_text('')
    return True

  monkeypatch.setattr(child, 'succeeds', fake)
  first = base_model.locate_any(str(source), tmp_path)
  assert base_model.locate_any(str(source), tmp_path) == first
  assert calls == [f'--from={source}']
  assert first.startswith(str(tmp_path / 'imported/model-'))
  source.write_bytes(b'other')
  assert base_model.locate_any(str(source), tmp_path) != first
  with pytest.raises(ConfigError, match='no such file or folder'):
    base_model.locate_any(str(tmp_path / 'nowhere'), tmp_path)
