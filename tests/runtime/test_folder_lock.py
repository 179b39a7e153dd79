"""Two runs do not write into one folder; a dead run does not block it."""

import json
import os
import subprocess
import sys
import time

import pytest

from flan_jax.runtime import folder_lock
from flan_jax.runtime.folder_lock import FolderLock, LockedError, held


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
  monkeypatch.setattr(folder_lock, '_PERIOD', 0.05)
  monkeypatch.setattr(folder_lock, '_DEAD', 0.4)
  monkeypatch.setattr(folder_lock, '_SETTLE', 0.05)


def _change(path, **fields) -> None:
  path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_a_second_run_is_refused_until_the_first_ends(tmp_path):
  folder = tmp_path / 'runs/model'
  with pytest.raises(KeyboardInterrupt), held(folder):
    with pytest.raises(LockedError) as refused, held(folder):
      pass
    message = str(refused.value)
    assert f'process {os.getpid()} on ' in message
    assert str(folder / 'run.lock') in message and '\n' not in message
    time.sleep(0.2)
    assert [path.name for path in folder.iterdir()] == ['run.lock']
    raise KeyboardInterrupt
  # Nothing was made in it, so nothing is left.
  assert not list(tmp_path.iterdir())


def test_a_dead_process_of_this_machine_is_replaced_at_once(tmp_path, capsys):
  script = (
    'import os, sys\n'
    'from flan_jax.runtime.folder_lock import FolderLock\n'
    'FolderLock(sys.argv[1]).take()\n'
    'os._exit(9)'
  )
  subprocess.run([sys.executable, '-c', script, str(tmp_path)], check=False)
  path = tmp_path / 'run.lock'
  pid = json.loads(path.read_text())['pid']
  with held(tmp_path):
    assert json.loads(path.read_text())['pid'] == os.getpid()
  assert f'taking over {tmp_path} from process {pid}' in capsys.readouterr().err
  # Its number may be that of another process by now.
  first = FolderLock(tmp_path)
  first.take()
  first._released.set()
  first._heart.join()
  _change(path, process_start='1')
  with held(tmp_path):
    pass


@pytest.mark.parametrize('text', ['', '[1]', '{"host": 1, "pid": "x"}'])
def test_a_lock_that_does_not_change_is_of_a_dead_run(tmp_path, text, capsys):
  (tmp_path / 'run.lock').write_text(text)
  with held(tmp_path):
    pass
  shown = capsys.readouterr().err
  assert 'waiting up to' in shown and 'taking over' in shown


def test_a_run_on_another_machine_shows_that_it_lives(tmp_path):
  with held(tmp_path) as first:
    first._me['host'] = 'elsewhere'
    first._write()
    with pytest.raises(LockedError, match='on elsewhere since'):
      FolderLock(tmp_path).take()


def test_a_run_that_was_replaced_notices(tmp_path):
  with held(tmp_path) as first:
    first.check()
    _change(tmp_path / 'run.lock', token='of another', pid=7)
    deadline = time.time() + 10
    while first._heart.is_alive() and time.time() < deadline:
      time.sleep(0.02)
    with pytest.raises(LockedError, match='in use by process 7'):
      first.check()
  # It is not removed from under the other run.
  assert (tmp_path / 'run.lock').exists()


def test_a_bucket_is_locked_too(bucket):
  with held(f'{bucket}/run'):
    with pytest.raises(LockedError, match=f'{bucket}/run is in use'):
      FolderLock(f'{bucket}/run').take()
  with held(f'{bucket}/run'):
    pass
