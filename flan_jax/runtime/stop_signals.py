"""Signals that ask a command to stop: SIGTERM, SIGUSR1 and Ctrl-C.

Cloud machines send SIGTERM before they are taken away, SLURM SIGTERM or
SIGUSR1 before a job's time is over. A second signal ends the process at once.
"""

from collections.abc import Iterator
import contextlib
import dataclasses
import os
import signal
import threading

_REQUESTS = (signal.SIGTERM, signal.SIGUSR1)
_FINISHING = (
  'what runs is finished and saved first; a second signal ends it at once'
)


class Stopped(BaseException):
  """A signal asked for the end.

  Attributes:
    received: The signal.
  """

  def __init__(self, message: str, received: signal.Signals):
    super().__init__(message)
    self.received = received

  @property
  def code(self) -> int:
    """Exit code of a command that is not finished, as shells have it."""
    return 128 + self.received


@dataclasses.dataclass
class Requests:
  """What signals have asked for since handlers were installed.

  Attributes:
    received: The first signal; None for none.
    deferred: Whether a signal is only noted, for `received` to be looked at.
    kept: Whether what was done so far is kept.
  """

  received: signal.Signals | None = None
  deferred: bool = False
  kept: bool = True

  def __call__(self, number: int, frame: object) -> None:
    """Handles a signal."""
    self.received = signal.Signals(number)
    for each in (*_REQUESTS, signal.SIGINT):
      signal.signal(each, signal.SIG_DFL)
    if not self.deferred:
      raise_stopped(self.received)
    # Not by `print`, which a handler must not enter again.
    os.write(2, f'{self.received.name}: {_FINISHING}\n'.encode())


# Signals belong to the process.
_requests = Requests()


def raise_stopped(received: signal.Signals) -> None:
  """Raises what a signal means where nothing is left to finish."""
  if received == signal.SIGINT:
    raise KeyboardInterrupt
  kept = '; the same command goes on from what is done'
  raise Stopped(
    f'stopped by {received.name}{kept if _requests.kept else ""}', received
  )


def listen() -> None:
  """Installs the handlers; again, after a library has installed its own."""
  for number in _REQUESTS:
    signal.signal(number, _requests)


@contextlib.contextmanager
def handled(enabled: bool = True, kept: bool = True) -> Iterator[None]:
  """Has SIGTERM and SIGUSR1 raise `Stopped`, in this context.

  `kept` says whether the same command goes on from what was done until then.
  Only the main thread receives signals; elsewhere, this does nothing.
  """
  main = threading.current_thread() is threading.main_thread()
  if not enabled or not main:
    yield
    return
  numbers = (*_REQUESTS, signal.SIGINT)
  before = {number: signal.getsignal(number) for number in numbers}
  _requests.received, _requests.kept = None, kept
  listen()
  try:
    yield
  finally:
    for number, handler in before.items():
      # None is the handler of a library, which Python cannot install again.
      signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextlib.contextmanager
def deferred() -> Iterator[Requests]:
  """Only notes signals, Ctrl-C too, in this context; see `Requests`.

  Raises:
    Stopped, KeyboardInterrupt: At the end, if there was one.
  """
  if threading.current_thread() is not threading.main_thread():
    yield Requests()
    return
  interrupt = signal.getsignal(signal.SIGINT)
  _requests.received, _requests.deferred = None, True
  before = {number: signal.getsignal(number) for number in _REQUESTS}
  listen()
  signal.signal(signal.SIGINT, _requests)
  try:
    yield _requests
  finally:
    _requests.deferred = False
    if _requests.received is None:
      signal.signal(signal.SIGINT, interrupt)
      for number, handler in before.items():
        signal.signal(number, signal.SIG_DFL if handler is None else handler)
  # One that came too late to be looked at.
  if _requests.received is not None:
    raise_stopped(_requests.received)
