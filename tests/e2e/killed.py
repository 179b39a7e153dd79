"""Runs a command that kills its own process in the middle of a phase.

python -m tests.e2e.killed PHASE COMMAND FLAGS
"""

from collections.abc import Callable
import os
import signal
import subprocess
import sys
from typing import Any

from flan_jax import cli
from flan_jax.evaluation.journal import Journal
from flan_jax.studies import collect
from flan_jax.training.checkpoint import Checkpointer

# Phase -> the function in which it is killed, and the number of the call.
PHASES = {
  # While the child process makes caches, which survives.
  'caching': (subprocess.Popen, 'wait', 1),
  # With two checkpoints, the last of which may be incomplete.
  'training': (Checkpointer, 'save', 2),
  # With four answers on disk.
  'evaluating': (Journal, 'add', 5),
  # Before anything is written.
  'collecting': (collect, 'write_study', 1),
}


def _killing(phase: str, original: Callable[..., Any], call: int):
  calls = 0

  def replacement(*arguments, **more):
    nonlocal calls
    calls += 1
    if calls < call:
      return original(*arguments, **more)
    if phase == 'training':
      original(*arguments, **more)
    if phase == 'evaluating':
      arguments[0].flush()
    os.kill(os.getpid(), signal.SIGKILL)

  return replacement


def main() -> int:
  """Runs the command."""
  phase, *command = sys.argv[1:]
  owner, name, call = PHASES[phase]
  setattr(owner, name, _killing(phase, getattr(owner, name), call))
  return cli.main(command)


if __name__ == '__main__':
  sys.exit(main())
