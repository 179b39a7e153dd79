"""Ends a process whose partners have failed or died.

Without them, it would wait in a collective computation: for ever, or until JAX
aborts it. Each process writes to the key-value store of JAX's coordinator, now
and then, that it is alive, and reads what the others write.
"""

import atexit
from collections.abc import Callable, Mapping
import contextlib
import ctypes
import dataclasses
import json
import os
import signal
import socket
import sys
import threading
import time
import traceback
from typing import Any

from flan_jax.runtime.process_life import started
from flan_jax.terminal.screen import show_error

# Seconds between two signs of life, and of silence after which a process counts
# as dead. A host may be busy for long.
_PERIOD = 2.0
_SILENCE = 60.0
# Processes that may share the store without longer periods.
_CROWD = 32
# Seconds that the coordinator stays for others to read why it failed.
_LINGER = 10.0
# Seconds in which a failure of others shows after one of this process.
_SETTLED = 5.0
# Characters of a reason that others print.
_LONGEST = 300
_FOLDER = 'flan_jax/processes/'
_RUNS, _FAILED, _ENDED = 'runs', 'failed', 'ended'

_peers: 'Peers | None' = None


@dataclasses.dataclass(frozen=True)
class Sign:
  """What a process writes of itself.

  Attributes:
    host: Its host.
    pid: Its process id there.
    beat: A number that grows.
    state: 'runs', 'failed' or 'ended'.
    code: Its exit code, if it failed.
    message: Why it failed.
    step_seconds: Its time of the newest training step; None if there is none.
  """

  host: str
  pid: int
  beat: int = 0
  state: str = _RUNS
  code: int = 0
  message: str = ''
  step_seconds: float | None = None


@dataclasses.dataclass(frozen=True)
class Problem:
  """Why this process must end: one line, and an exit code."""

  message: str
  code: int


class Watch:
  """Finds out from signs of life which process has failed or died."""

  def __init__(self, silence: float = _SILENCE):
    """Counts a process as dead after some seconds of silence."""
    self._silence = silence
    self._seen: dict[int, tuple[int, float]] = {}
    self._looked = None

  def problem(self, signs: Mapping[int, Sign], now: float) -> Problem | None:
    """Returns the first problem of others, None if there is none.

    Args:
      signs: The newest sign of each other process.
      now: Seconds on a clock of this host that never goes back.
    """
    # This host itself was stopped, and has heard of nobody.
    if self._looked is not None and now - self._looked > self._silence / 2:
      self._seen.clear()
    self._looked = now
    for index, sign in sorted(signs.items()):
      who = f'process {index} (host {sign.host}, pid {sign.pid})'
      if sign.state == _FAILED:
        return Problem(f'{who} failed: {sign.message}', sign.code)
      if sign.state == _ENDED:
        continue
      if _is_gone(sign):
        return Problem(f'{who} was killed or has crashed', 1)
      beat, since = self._seen.setdefault(index, (sign.beat, now))
      if beat != sign.beat:
        self._seen[index] = sign.beat, now
      elif now - since > self._silence:
        return Problem(f'{who} has been silent for {now - since:.0f} s', 1)
    return None


def _is_gone(sign: Sign) -> bool:
  """Returns whether a process of this host does not exist any more."""
  return sign.host == socket.gethostname() and started(sign.pid) is None


class Peers:
  """The other processes of the run, as this one knows them."""

  def __init__(
    self,
    client: Any,
    index: int,
    count: int,
    leave: Callable[[int], None] = os._exit,
    coordinator: tuple[str, int] | None = None,
  ):
    """Starts the thread that watches.

    Args:
      client: JAX's client of the coordinator.
      index: Index of this process.
      count: Number of processes.
      leave: Ends this process at once, with an exit code.
      coordinator: Host and port of the first process; None on itself.
    """
    self._coordinator, self._lost = coordinator, False
    self._client, self._index, self._leave = client, index, leave
    self._period = _PERIOD * max(1.0, count / _CROWD)
    self._watch = Watch(max(_SILENCE, 4 * self._period))
    self._sign = Sign(socket.gethostname(), os.getpid())
    self._signs: dict[int, Sign] = {}
    self._stop = threading.Event()
    self._lock = threading.Lock()
    self._write()
    thread = threading.Thread(target=self._run, name='peers', daemon=True)
    thread.start()

  def set_step_seconds(self, seconds: float) -> None:
    """Notes the time of the newest training step, for the others to read."""
    with self._lock:
      self._sign = dataclasses.replace(self._sign, step_seconds=seconds)

  def step_seconds(self) -> list[float]:
    """Returns the newest known time of a step of each process that has one."""
    signs = [self._sign, *self._signs.values()]
    return [s.step_seconds for s in signs if s.step_seconds is not None]

  def find_problem(self, seconds: float) -> Problem | None:
    """Returns a problem of others; waits for one to show, at most so long."""
    until = time.monotonic() + seconds
    while True:
      found = self._look()
      if found is not None or time.monotonic() > until:
        return found
      time.sleep(self._period / 4)

  def end(self) -> None:
    """Says that this process has done its work, and watches no longer."""
    self._stop.set()
    self._write(state=_ENDED)

  def fail(self, code: int, message: str) -> None:
    """Says why this process fails.

    The coordinator stays until the others know: with it, the store goes.
    """
    self._stop.set()
    self._write(state=_FAILED, code=code, message=message)
    until = time.monotonic() + _LINGER
    while self._index == 0 and time.monotonic() < until:
      if all(
        sign.state != _RUNS or _is_gone(sign) for sign in self._read().values()
      ):
        break
      time.sleep(self._period / 4)

  def _run(self) -> None:
    while not self._stop.wait(self._period):
      problem = self._look()
      if problem is not None and not self._stop.is_set():
        self._write(state=_ENDED)
        show_error(f'flan-jax: error: {problem.message}; this process stops')
        self._leave(problem.code)
        return

  def _look(self) -> Problem | None:
    if self._coordinator is not None and _is_closed(self._coordinator):
      # Once JAX aborts, a call of its client does not return.
      self._lost = True
      where = '{}:{}'.format(*self._coordinator)
      return Problem(
        f'process 0, the coordinator at {where}, was killed or has crashed', 1
      )
    self._write(beat=self._sign.beat + 1)
    try:
      self._signs = self._read()
    # The library has no type of its own for an address that does not answer.
    except Exception as error:
      return Problem(f'process 0, the coordinator, is gone ({error})', 1)
    return self._watch.problem(self._signs, time.monotonic())

  def _read(self) -> dict[int, Sign]:
    """Returns the newest signs of the others."""
    found = {}
    for key, text in self._client.key_value_dir_get(_FOLDER):
      index = int(key.rpartition('/')[2])
      if index != self._index:
        found[index] = Sign(**json.loads(text))
    return found

  def _write(self, **changes: Any) -> None:
    if self._lost:
      return
    with self._lock:
      self._sign = dataclasses.replace(self._sign, **changes)
      text = json.dumps(dataclasses.asdict(self._sign))
      # If it fails, nobody can read it, and `_look` says why.
      with contextlib.suppress(Exception):
        self._client.key_value_set(
          f'{_FOLDER}{self._index}', text, allow_overwrite=True
        )


def join(
  client: Any, index: int, count: int, coordinator: tuple[str, int]
) -> None:
  """Watches the other processes from now on, see `Peers`.

  Args:
    client: JAX's client of the coordinator.
    index: Index of this process.
    count: Number of processes.
    coordinator: Host and port of the first process.
  """
  global _peers
  if index:
    _delay_abort()
  _peers = Peers(
    client, index, count, coordinator=coordinator if index else None
  )
  # Before JAX's own, which waits for the others.
  atexit.register(_peers.end)


def _is_closed(address: tuple[str, int]) -> bool:
  """Returns whether nothing listens at an address; False if it is not known."""
  try:
    socket.create_connection(address, timeout=1).close()
  except ConnectionRefusedError:
    return True
  except OSError:
    return False
  return False


def _delay_abort() -> None:
  """Leaves the watching thread time to say why JAX aborts this process.

  As soon as the connection to the coordinator is lost, JAX's client logs the
  stack and aborts, in a thread of its own. JAX 0.10 offers no other way: a
  callback for missed heartbeats is not among its arguments, and jaxlib's own
  cannot be called from Python. A handler in Python would take the interpreter's
  lock inside of a signal, and might wait for it for ever. So the handler is the
  C library's `sleep`, which is safe there: the signal's number, 6, is what it
  takes for seconds. Then the process aborts as before.
  """
  libc = ctypes.CDLL(None)
  libc.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
  libc.signal(signal.SIGABRT, ctypes.cast(libc.sleep, ctypes.c_void_p))


def current() -> Peers | None:
  """Returns the other processes; None if there are none."""
  return _peers


def leave(code: int, message: str) -> int:
  """Ends a process that has others and fails; otherwise returns the code.

  At its usual end, a process waits for the others, which wait for it.

  Args:
    code: The exit code.
    message: Why it fails; the others print it.
  """
  if _peers is not None:
    _peers.fail(code, message.partition('\n')[0][:_LONGEST])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
  return code


def leave_after(error: BaseException) -> None:
  """Ends a process that has others and fails by a bug, or by their death.

  Returns if it has no others. What fails in a collective computation is most
  often the connection to a process that has just died: that one is named.
  """
  if _peers is None:
    return
  problem = _peers.find_problem(_SETTLED)
  if problem is not None:
    show_error(f'flan-jax: error: {problem.message}; this process stops')
    leave(problem.code, problem.message)
  traceback.print_exception(error)
  leave(1, f'{type(error).__name__}: {error}')
