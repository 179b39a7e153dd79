"""Models are written to empty local folders."""

import pytest

from flan_jax.interop import InteropError
from flan_jax.interop.output_folder import check_output


def test_empty_and_new_folders(tmp_path, monkeypatch):
  assert check_output(tmp_path) == tmp_path
  monkeypatch.setenv('HOME', str(tmp_path))
  assert check_output('~/new') == tmp_path / 'new'


@pytest.mark.parametrize('name', ['file', '.'])
def test_files_are_not_overwritten(tmp_path, name):
  (tmp_path / 'file').touch()
  with pytest.raises(InteropError, match='is not an empty folder'):
    check_output(tmp_path / name)


def test_remote_folders_are_refused():
  with pytest.raises(InteropError, match='is not local'):
    check_output('gs://bucket/base')
