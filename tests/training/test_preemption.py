"""All processes save and stop at the same step."""

import signal

import jax
from jax.experimental import multihost_utils
import pytest

from flan_jax.runtime.stop_signals import Requests, Stopped
from flan_jax.training import preemption
from flan_jax.training.preemption import Decision, Preemption


def test_a_signal_stops_after_the_step_that_runs():
  requests = Requests()
  decisions = Preemption(requests)
  assert decisions.after(1) == Decision()
  decisions.after(1).raise_stopped(1)
  requests.received = signal.SIGUSR1
  found = decisions.after(2)
  assert found == Decision(save=True, stop=True)
  with pytest.raises(Stopped, match='stopped after step 2') as stopped:
    found.raise_stopped(2)
  assert stopped.value.received == signal.SIGTERM
  requests.received = signal.SIGINT
  with pytest.raises(Stopped, match='interrupted after step 3') as stopped:
    decisions.after(3).raise_stopped(3)
  assert stopped.value.code == 130


def test_processes_follow_the_greatest_vote_a_step_later(monkeypatch):
  votes, others = [], iter([0, 2, 0, 0])
  monkeypatch.setattr(jax, 'process_count', lambda: 2)

  def greatest(vote):
    votes.append(vote)
    return max(vote, next(others))

  monkeypatch.setattr(preemption, '_greatest', greatest)
  decisions = Preemption(Requests())
  assert decisions.after(1) == Decision()
  assert decisions.after(2) == Decision()
  # What another process voted for after step 2.
  assert decisions.after(3) == Decision(save=True, stop=True)
  assert votes == [0, 0, 0]


def test_only_the_first_process_reads_the_clock(monkeypatch):
  now = 0.0
  monkeypatch.setattr(preemption.time, 'monotonic', lambda: now)
  decisions = Preemption(Requests(), save_seconds=10)
  now = 9.0
  assert not decisions.after(1).save
  now = 10.0
  assert decisions.after(2) == Decision(save=True)
  decisions.saved()
  assert not decisions.after(3).save
  now = 30.0
  monkeypatch.setattr(jax, 'process_index', lambda: 1)
  assert not decisions.after(4).save


def test_the_greatest_vote_is_found_on_the_devices():
  # One process holds one of the votes.
  assert int(preemption._greatest(3)) == 3


def test_the_preemption_service_stops_all_processes(monkeypatch):
  monkeypatch.setattr(jax, 'process_count', lambda: 2)
  monkeypatch.setattr(preemption, '_greatest', lambda vote: vote)
  # JAX's service answers yes to all processes for one step, the same for all.
  monkeypatch.setattr(
    multihost_utils, 'reached_preemption_sync_point', lambda step: step == 3
  )
  decisions = Preemption(Requests())
  found = [decisions.after(step) for step in (1, 2, 3)]
  assert found == [Decision(), Decision(), Decision(save=True, stop=True)]


def test_a_run_without_the_preemption_service_goes_on(monkeypatch):
  monkeypatch.setattr(jax, 'process_count', lambda: 2)
  monkeypatch.setattr(preemption, '_greatest', lambda vote: vote)

  def turned_off(step):
    raise RuntimeError('preemption sync manager is not initialized')

  monkeypatch.setattr(
    multihost_utils, 'reached_preemption_sync_point', turned_off
  )
  assert Preemption(Requests()).after(1) == Decision()
