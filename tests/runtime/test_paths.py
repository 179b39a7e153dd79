"""Paths of users mean the same everywhere."""

import os

import pytest

from flan_jax.runtime.paths import user_path, write_whole


def test_home_is_expanded_and_buckets_are_kept(monkeypatch):
  monkeypatch.setenv('HOME', '/home/somebody')
  assert os.fspath(user_path('~/run')) == '/home/somebody/run'
  assert os.fspath(user_path('gs://bucket/~/run')) == 'gs://bucket/~/run'
  assert os.fspath(user_path('run')) == 'run'


def test_file_is_replaced_as_a_whole(tmp_path, monkeypatch):
  path = user_path(tmp_path / 'file')
  write_whole(path, 'é\n')
  assert path.read_text(encoding='utf-8') == 'é\n'

  def fail(*args, **more):
    raise OSError('disk full')

  monkeypatch.setattr(type(path), 'replace', fail)
  with pytest.raises(OSError, match='disk full'):
    write_whole(path, 'other')
  assert path.read_text(encoding='utf-8') == 'é\n'
