"""Files in a bucket are copied once, and again when they change."""

import pathlib

from flan_jax.runtime.local_copies import local_copy, local_path
from flan_jax.runtime.paths import user_path


def test_a_folder_in_a_bucket_is_copied_once(bucket):
  folder = user_path(f'{bucket}/folder')
  (folder / 'part/a').write_text('text')
  copy = local_copy(folder, ['part/a'])
  assert pathlib.Path(copy, 'part/a').read_text() == 'text'
  (folder / 'part/a').unlink()
  assert local_copy(folder, ['part/a']) == copy


def test_each_version_has_a_copy_of_its_own(bucket):
  folder = user_path(f'{bucket}/folder')
  for text in ('first', 'second'):
    (folder / 'a').write_text(text)
    copy = local_copy(folder, ['a'], version=text)
    assert (copy / 'a').read_text() == text


def test_a_path_in_a_bucket_becomes_a_local_one(bucket, tmp_path):
  assert local_path(tmp_path / 'model') == tmp_path / 'model'
  folder = user_path(f'{bucket}/model')
  (folder / 'config.json').write_text('{}')
  (folder / 'part/weights').write_text('w')
  copy = local_path(folder)
  assert copy.is_dir() and (copy / 'part/weights').read_text() == 'w'
  some = local_path(folder, ['config.json', 'none'])
  assert [path.name for path in some.iterdir()] == ['config.json']
  # The files beside a file are not copied.
  config = local_path(folder / 'config.json')
  assert config.read_text() == '{}'
  assert [path.name for path in config.parent.iterdir()] == ['config.json']
  assert not local_path(folder / 'none').exists()


def test_a_changed_file_is_copied_again(bucket):
  path = user_path(f'{bucket}/prompts')
  path.write_text('old')
  assert local_path(path).read_text() == 'old'
  path.write_text('longer')
  assert local_path(path).read_text() == 'longer'
