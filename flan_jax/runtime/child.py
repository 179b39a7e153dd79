"""Runs a command in a child process."""

from collections.abc import Sequence
import os
import pathlib
import subprocess
import sys


def succeeds(command: str, flags: Sequence[str]) -> bool:
  """Runs `flan-jax COMMAND`, which prints its own errors.

  The child computes on the CPU, so that it does not claim the devices of this
  process, and does not join the other processes of a run.

  Args:
    command: Name of the command.
    flags: Flags of the command.

  Returns:
    Whether it succeeded.
  """
  root = str(pathlib.Path(__file__).resolve().parents[2])
  paths = [os.environ.get('PYTHONPATH'), root]
  environment = {
    **os.environ,
    'PYTHONPATH': os.pathsep.join(path for path in paths if path),
    'JAX_PLATFORMS': 'cpu',
  }
  done = subprocess.run(
    [sys.executable, '-m', 'flan_jax', command, *flags],
    env=environment,
    check=False,
  )
  return done.returncode == 0
