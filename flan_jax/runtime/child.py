"""Runs Python in a child process, which does not import a stranger's modules.

`python -m` looks for modules in the working directory first, where a file such
as `optax.py` would take the place of a package. A child is started without that
folder in its path; `user_modules` finds what a user names there.
"""

from collections.abc import Mapping, Sequence
import os
import pathlib
import signal
import subprocess
import sys


def python(module: str, *arguments: str) -> list[str]:
  """Returns the command that runs a module in a child process."""
  return [sys.executable, '-P', '-m', module, *arguments]


def environment(inherited: Mapping[str, str]) -> dict[str, str]:
  """Returns the environment in which a child finds this package."""
  root = str(pathlib.Path(__file__).resolve().parents[2])
  paths = filter(None, [inherited.get('PYTHONPATH'), root])
  return {**inherited, 'PYTHONPATH': os.pathsep.join(paths)}


def succeeds(command: str, flags: Sequence[str]) -> bool:
  """Runs `flan-jax COMMAND FLAGS` and returns whether it succeeded.

  The child prints its own errors. It computes on the CPU, so that it does not
  claim the devices of this process, and does not join the other processes of a
  run. Ctrl-C ends it silently.
  """
  # In a session of its own, so that only this process handles Ctrl-C.
  child = subprocess.Popen(
    python('flan_jax', command, *flags),
    env={**environment(os.environ), 'JAX_PLATFORMS': 'cpu'},
    start_new_session=True,
  )
  try:
    return child.wait() == 0
  except BaseException:
    os.killpg(child.pid, signal.SIGTERM)
    child.wait()
    raise
