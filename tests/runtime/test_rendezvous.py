"""Processes find each other, or say why not in one line."""

import concurrent.futures
import contextlib
import socket
import time

import pytest

from flan_jax.runtime import rendezvous
from flan_jax.runtime.rendezvous import Meeting, RendezvousError, meet


@pytest.fixture
def address():
  with socket.socket() as listener:
    listener.bind(('localhost', 0))
    port = listener.getsockname()[1]
  return f'localhost:{port}'


@pytest.fixture(autouse=True)
def quick(monkeypatch):
  monkeypatch.setattr(rendezvous, '_NOTICE', 0.1)
  monkeypatch.setattr(rendezvous, '_RETRY', 0.05)
  monkeypatch.setattr(rendezvous, '_GREETING', 0.2)


def _outcomes(*meetings):
  """Returns the error of each process, None for none."""

  def error_of(meeting):
    try:
      meet(meeting, lambda line: None)
    except RendezvousError as error:
      return str(error)

  with concurrent.futures.ThreadPoolExecutor(len(meetings)) as pool:
    return list(pool.map(error_of, meetings))


def test_processes_meet_and_strangers_are_ignored(address):
  first = Meeting(address, 3, 0, 20)

  def knock():
    # Before the others come: one that says nothing, and one with nonsense.
    for text in (b'', b'GET / HTTP/1.1\r\n\r\n'):
      while True:
        with contextlib.suppress(ConnectionRefusedError):
          with socket.create_connection(first.place) as connection:
            connection.sendall(text)
          break

  with concurrent.futures.ThreadPoolExecutor(3) as pool:
    met = pool.submit(meet, first, lambda line: None)
    knock()
    others = [
      pool.submit(meet, Meeting(address, 3, i, 20), lambda line: None)
      for i in (1, 2)
    ]
    assert [future.result(20) for future in (met, *others)] == [None] * 3
  # The address is free for JAX.
  socket.create_server(first.place).close()


def test_one_that_gives_up_while_it_waits_is_waited_for_again(address):
  said = []
  with concurrent.futures.ThreadPoolExecutor(3) as pool:
    met = pool.submit(meet, Meeting(address, 3, 0, 20), said.append)
    with pytest.raises(RendezvousError, match='process 0 does not answer'):
      meet(Meeting(address, 3, 1, 0.5), said.append)
    others = [
      pool.submit(meet, Meeting(address, 3, i, 20), said.append) for i in (1, 2)
    ]
    assert [future.result(20) for future in (met, *others)] == [None] * 3
  assert any('waiting for 1 of 3 processes at localhost' in s for s in said)


def test_a_missing_process_is_named(address):
  said, began = [], time.monotonic()
  with pytest.raises(RendezvousError, match=r'^1 of 2 processes \(1\) did not'):
    meet(Meeting(address, 2, 0, 0.5), said.append)
  assert 0.5 <= time.monotonic() - began < 5
  assert f'waiting for 1 of 2 processes at {address} (0 s of 0.5)' in said
  said.clear()
  with pytest.raises(
    RendezvousError, match=r'process 0 does not answer at loc'
  ):
    meet(Meeting(address, 2, 1, 0.5), said.append)
  assert f'waiting for process 0 at {address} (0 s of 0.5)' in said
  # Those that came are told.
  gave_up, told = _outcomes(
    Meeting(address, 3, 0, 1), Meeting(address, 3, 1, 30)
  )
  assert told == gave_up and '1 of 3 processes (2) did not come' in told


def test_processes_that_do_not_belong_together_are_told(address):
  found = _outcomes(Meeting(address, 2, 0, 20), Meeting(address, 3, 1, 20))
  assert found[0] == found[1]
  assert 'process 1 has --process_count 3, and process 0 has 2' in found[0]
  found = _outcomes(
    Meeting(address, 3, 0, 20),
    Meeting(address, 3, 1, 20),
    Meeting(address, 3, 1, 20),
  )
  assert found[0] == found[1] == found[2]
  assert 'two processes have --process_index 1' in found[0]


def test_a_taken_port_and_wrong_flags_are_named(address):
  with (
    socket.create_server(Meeting(address, 2, 0).place),
    pytest.raises(RendezvousError, match='choose another port'),
  ):
    meet(Meeting(address, 2, 0, 1), print)
  for wrong, named in (
    (('host', 2, 0), 'HOST:PORT'),
    (('host:99999', 2, 0), 'HOST:PORT'),
    (('host:1', 2, 2), 'process_index 2'),
    (('host:1', 0, 0), 'process_index 0'),
    (('host:1', 2, 0, 0.0), 'coordinator_timeout'),
  ):
    with pytest.raises(RendezvousError, match=named):
      Meeting(*wrong)
