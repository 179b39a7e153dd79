"""Says what a process waits for, if it waits long."""

from collections.abc import Iterator
import contextlib
import dataclasses
import functools
import threading
import time

from flan_jax.terminal.screen import note

# Seconds until the first message, and between two.
_PATIENCE = 60.0
_TICK = 1.0


@dataclasses.dataclass
class _Wait:
  what: str
  began: float
  messages: int = 0


_waits: dict[int, _Wait] = {}


@contextlib.contextmanager
def waiting_for(what: str) -> Iterator[None]:
  """Prints what is waited for, each minute until this context ends.

  It ends nothing: what is slow may still come.
  """
  _start()
  wait = _Wait(what, time.monotonic())
  _waits[id(wait)] = wait
  try:
    yield
  finally:
    del _waits[id(wait)]


@functools.cache
def _start() -> None:
  """Starts the thread that watches all waits of the process, once."""
  threading.Thread(target=_watch, name='watchdog', daemon=True).start()


def _watch() -> None:
  while True:
    time.sleep(_TICK)
    for wait in list(_waits.values()):
      seconds = time.monotonic() - wait.began
      if seconds >= _PATIENCE * (wait.messages + 1):
        wait.messages += 1
        note(f'waiting for {wait.what} ({seconds:.0f} s)')
