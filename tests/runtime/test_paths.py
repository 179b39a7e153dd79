"""Paths of users mean the same everywhere."""

import os
import urllib.request

import pytest

from flan_jax.errors import ConfigError
from flan_jax.runtime import paths
from flan_jax.runtime.paths import appending, user_path, write_whole


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


def test_a_file_in_a_bucket_is_written_whole_and_added_to(bucket):
  path = user_path(f'{bucket}/folder/file')
  write_whole(path, 'é\n')
  assert path.read_text(encoding='utf-8') == 'é\n'
  assert [found.name for found in path.parent.iterdir()] == ['file']
  # Opened with mode `a`, gcsfs would begin the file again.
  with appending(path) as file:
    file.write('more\n')
  assert path.read_text(encoding='utf-8') == 'é\nmore\n'


def test_what_others_write_to_a_bucket_is_seen(bucket):
  folder = user_path(f'{bucket}/folder')
  (folder / 'a').write_text('1')
  assert [path.name for path in folder.iterdir()] == ['a']
  name = (folder / 'b').as_posix().removeprefix('gs://').partition('/')[2]
  request = urllib.request.Request(
    f'{os.environ["STORAGE_EMULATOR_HOST"]}/upload/storage/v1/b/tests/o'
    f'?uploadType=media&name={name}',
    b'2',
  )
  urllib.request.urlopen(request).close()
  assert sorted(path.name for path in folder.iterdir()) == ['a', 'b']


@pytest.mark.parametrize(
  ('path', 'message'),
  [
    ('gs://', r'gs:// names no bucket: write gs://BUCKET/FOLDER'),
    ('gs:///run', r'gs:///run names no bucket'),
    ('s3://bucket/run', r'only local paths and gs://BUCKET/'),
    ('https://host/run', r'https://host/run starts with https://'),
  ],
)
def test_other_remote_paths_are_refused(path, message):
  with pytest.raises(ConfigError, match=message):
    user_path(path)


def test_buckets_need_a_package(monkeypatch):
  paths._prepare_buckets.cache_clear()
  monkeypatch.setattr(paths.importlib.util, 'find_spec', lambda name: None)
  with pytest.raises(ConfigError, match=r"pip install 'flan_jax\[gcp\]'"):
    user_path('gs://bucket/run')
