"""Files of a cache are whole or missing, on local disk and elsewhere."""

import os

from etils import epath
import pytest

from flan_jax.cache import storage
from flan_jax.cache.storage import CacheError


def test_a_folder_is_whole_or_missing(tmp_path):
  target = epath.Path(tmp_path / 'cache/folder')
  with pytest.raises(RuntimeError), storage.new_folder(target) as folder:
    (folder / 'a').write_text('half')
    raise RuntimeError
  assert list(target.parent.iterdir()) == []
  with storage.new_folder(target) as folder:
    (folder / 'a').write_text('whole')
  assert [path.name for path in target.parent.iterdir()] == ['folder']
  assert (target / 'a').read_text() == 'whole'


def test_the_first_of_two_writers_wins(tmp_path):
  target = epath.Path(tmp_path / 'folder')
  with storage.new_folder(target) as folder:
    (folder / 'a').write_text('second')
    target.mkdir()
    (target / 'a').write_text('first')
  assert (target / 'a').read_text() == 'first'
  assert [path.name for path in tmp_path.iterdir()] == ['folder']


def test_leftovers_of_running_processes_stay(tmp_path):
  killed = tmp_path / f'.x.{storage._host()}-999999999.writing'
  running = tmp_path / f'.x.{storage._host()}-{os.getpid()}.writing'
  elsewhere = tmp_path / '.x.another_host-999999999.writing'
  for path in (killed, running, elsewhere):
    path.mkdir()
  storage.remove_leftovers(epath.Path(tmp_path))
  assert set(tmp_path.iterdir()) == {running, elsewhere}


def test_json_is_read_written_and_refused_where_it_is_damaged(tmp_path):
  path = epath.Path(tmp_path / 'a/b.json')
  assert storage.read_json(path) is None
  storage.write_json(path, {'n': 1})
  assert storage.read_json(path) == {'n': 1}
  assert [p.name for p in path.parent.iterdir()] == ['b.json']
  path.write_text('{')
  with pytest.raises(CacheError, match=r'b\.json is damaged'):
    storage.read_json(path)


def test_a_folder_in_a_bucket_gets_its_json_files_last(bucket, monkeypatch):
  written, copy = [], type(epath.Path(bucket)).copy

  def copied(self, target, **settings):
    written.append(self.name)
    return copy(self, target, **settings)

  monkeypatch.setattr(type(epath.Path(bucket)), 'copy', copied)
  target = epath.Path(bucket) / 'folder'
  with storage.new_folder(target) as folder:
    (folder / 'a.json').write_text('1')
    (folder / 'b').write_text('text')
  assert written == ['b', 'a.json']
  assert storage.read_json(target / 'a.json') == 1
  assert (target / 'b').read_text() == 'text'
