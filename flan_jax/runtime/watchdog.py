"""Says what a process waits for, if it waits long."""

from collections.abc import Iterator
import contextlib
import threading

from flan_jax.terminal.screen import note

# Seconds until the first message, and between two.
_PATIENCE = 60.0


@contextlib.contextmanager
def waiting_for(what: str) -> Iterator[None]:
  """Prints what is waited for, each minute until this context ends.

  It ends nothing: what is slow may still come.
  """
  done = threading.Event()

  def watch() -> None:
    minutes = 0
    while not done.wait(_PATIENCE):
      minutes += 1
      note(f'waiting for {what} ({minutes * _PATIENCE:.0f} s)')

  watcher = threading.Thread(target=watch, name='watchdog', daemon=True)
  watcher.start()
  try:
    yield
  finally:
    done.set()
    watcher.join()
