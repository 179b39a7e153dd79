"""Commands that a run has a process of its own do for it."""

from collections.abc import Sequence
import os
import pathlib
import subprocess
import sys


def succeeds(command: str, flags: Sequence[str]) -> bool:
  """Runs `flan-jax COMMAND`, which says itself what went wrong.

  It computes on the CPU, must not claim this process's devices, and belongs to
  no group of processes.
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
