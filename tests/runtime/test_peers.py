"""A process notices that another has failed, died or fallen silent."""

import dataclasses
import json
import os
import socket
import subprocess
import sys

import pytest

from flan_jax.runtime import peers
from flan_jax.runtime.peers import Peers, Problem, Sign, Watch

_THERE = Sign('elsewhere', 7)


class _Store:
  """JAX's key-value store, in this process."""

  def __init__(self):
    self.found = {}
    self.broken = False

  def key_value_set(self, key, value, allow_overwrite=False):
    assert allow_overwrite
    self.found[key] = value

  def key_value_dir_get(self, folder):
    if self.broken:
      raise RuntimeError('UNAVAILABLE')
    return [kv for kv in self.found.items() if kv[0].startswith(folder)]


def test_silence_counts_from_the_last_sign():
  watch = Watch(silence=60)
  later = dataclasses.replace(_THERE, beat=1)
  assert watch.problem({1: _THERE}, 0) is None
  assert watch.problem({1: _THERE}, 29) is None
  assert watch.problem({1: later}, 58) is None
  assert watch.problem({1: later}, 87) is None
  assert watch.problem({1: later}, 116) is None
  problem = watch.problem({1: later}, 119)
  assert problem == Problem(
    'process 1 (host elsewhere, pid 7) has been silent for 61 s', 1
  )


def test_a_host_that_was_stopped_itself_hears_again():
  watch = Watch(silence=60)
  assert watch.problem({1: _THERE}, 0) is None
  assert watch.problem({1: _THERE}, 3600) is None
  assert watch.problem({1: _THERE}, 3610) is None


def test_a_dead_process_of_this_host_is_noticed_at_once():
  child = subprocess.Popen([sys.executable, '-c', ''])
  sign = Sign(socket.gethostname(), child.pid)
  os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
  assert 'was killed' in Watch().problem({1: sign}, 0).message  # A zombie.
  child.wait()
  assert 'was killed' in Watch().problem({1: sign}, 0).message
  alive = Sign(socket.gethostname(), os.getpid())
  assert Watch().problem({1: alive}, 0) is None


def test_a_failure_is_told_with_its_reason_and_code(monkeypatch, capsys):
  monkeypatch.setattr(peers, '_PERIOD', 0.05)
  monkeypatch.setattr(peers, '_LINGER', 5.0)
  store, codes = _Store(), []
  second = Peers(store, 1, 3, codes.append)
  ended = dataclasses.replace(_THERE, state='ended')
  store.found['flan_jax/processes/2'] = json.dumps(dataclasses.asdict(ended))
  first = Peers(store, 0, 3, codes.append)
  second.set_step_seconds(0.5)
  assert first.find_problem(0.2) is None
  assert first.step_seconds() == [0.5]
  # It waits until the second, which runs, has read it.
  first.fail(2, 'the disk is full')
  assert codes == [2]
  assert (
    'failed: the disk is full; this process stops' in capsys.readouterr().err
  )


def test_a_lost_coordinator_is_a_problem():
  store = _Store()
  second = Peers(store, 1, 2, lambda code: None)
  store.broken = True
  assert 'the coordinator, is gone' in second.find_problem(0).message
  second.end()


def test_a_coordinator_whose_port_is_closed_is_gone():
  with socket.create_server(('localhost', 0)) as listening:
    address = listening.getsockname()
    second = Peers(_Store(), 1, 2, lambda code: None, address)
    assert second.find_problem(0) is None
  problem = second.find_problem(0)
  assert (
    problem.code == 1 and 'process 0, the coordinator at' in problem.message
  )
  second.end()


_ABORTS = """
import ctypes, os, threading, time
from flan_jax.runtime import peers
peers._delay_abort()
threading.Thread(target=ctypes.CDLL(None).abort).start()
time.sleep(0.5)
print('said why', flush=True)
os._exit(1)
"""


def test_other_threads_have_time_before_an_abort():
  done = subprocess.run(
    [sys.executable, '-c', _ABORTS], capture_output=True, text=True, check=False
  )
  assert (done.returncode, done.stdout) == (1, 'said why\n'), done.stderr


@pytest.mark.parametrize('code', [2, 130])
def test_a_process_without_others_returns_its_code(code):
  assert peers.current() is None
  assert peers.leave(code, 'why') == code
