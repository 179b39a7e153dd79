"""Runs a command in a child process."""

from collections.abc import Sequence
import os
import pathlib
import signal
import subprocess
import sys


def succeeds(command: str, flags: Sequence[str]) -> bool:
  """Runs `flan-jax COMMAND FLAGS` and returns whether it succeeded.

  The child prints its own errors. It computes on the CPU, so that it does not
  claim the devices of this process, and does not join the other processes of a
  run. Ctrl-C ends it silently.
  """
  root = str(pathlib.Path(__file__).resolve().parents[2])
  paths = filter(None, [os.environ.get('PYTHONPATH'), root])
  changes = {'PYTHONPATH': os.pathsep.join(paths), 'JAX_PLATFORMS': 'cpu'}
  # In a session of its own, so that only this process handles Ctrl-C.
  child = subprocess.Popen(
    [sys.executable, '-m', 'flan_jax', command, *flags],
    env=os.environ | changes,
    start_new_session=True,
  )
  try:
    return child.wait() == 0
  except BaseException:
    os.killpg(child.pid, signal.SIGTERM)
    child.wait()
    raise
