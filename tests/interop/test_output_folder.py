"""Models are written to empty local folders."""

import os
import socket

import numpy as np
import pytest

from flan_jax.interop import InteropError
from flan_jax.interop.output_folder import (
  check_output,
  new_output,
  write_tensors,
)


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


def test_a_failed_write_leaves_nothing(tmp_path):
  with pytest.raises(KeyError), new_output(tmp_path / 'a/b') as folder:
    (folder / 'sub').mkdir()
    (folder / 'sub/file').touch()
    raise KeyError
  assert not any(tmp_path.iterdir())


def test_a_folder_that_was_empty_stays(tmp_path):
  with pytest.raises(KeyError), new_output(tmp_path):
    raise KeyError
  assert tmp_path.is_dir() and not any(tmp_path.iterdir())


def test_what_a_killed_process_left_is_replaced(tmp_path):
  (tmp_path / '.unfinished').write_text(f'{socket.gethostname()} 99999999')
  (tmp_path / 'half').touch()
  with new_output(tmp_path) as folder:
    (folder / 'whole').touch()
  assert [x.name for x in tmp_path.iterdir()] == ['whole']


def test_what_another_process_writes_is_left_alone(tmp_path):
  with new_output(tmp_path) as folder:
    (folder / 'half').touch()
    with pytest.raises(InteropError, match='is not an empty folder'):
      check_output(tmp_path)


def test_the_umask_decides_who_reads_weights(tmp_path):
  before = os.umask(0o027)
  try:
    path = tmp_path / 'model.safetensors'
    write_tensors(path, {'a': np.zeros(2, np.float32)})
  finally:
    os.umask(before)
  assert path.stat().st_mode & 0o777 == 0o640
