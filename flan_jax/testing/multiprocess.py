"""Runs the command line as several local processes of one run."""

from collections.abc import Mapping, Sequence
import os
import pathlib
import socket
import subprocess
import sys
import time
from typing import NamedTuple

from flan_jax.planning import topology

_ROOT = pathlib.Path(__file__).resolve().parents[2]


class Ended(NamedTuple):
  """How a process ended: its exit code, and what it printed."""

  code: int
  printed: str


def run_processes(
  count: int,
  arguments: Sequence[str],
  folder: str | os.PathLike,
  devices: int = 1,
  environment: Mapping[str, str] | None = None,
  timeout: float = 900,
) -> list[str]:
  """Runs `flan-jax` in processes that share one mesh of CPU devices.

  Args:
    count: Number of processes; 1 for a run without partners.
    arguments: Command and flags.
    folder: Working directory.
    devices: Simulated devices of each process.
    environment: Environment variables to set.
    timeout: Seconds after which all processes are killed.

  Returns:
    The output of each process.

  Raises:
    RuntimeError: a process failed; the message ends with its output.
  """
  ended = end_processes(
    [arguments] * count,
    folder,
    [environment or {}] * count,
    devices=devices,
    timeout=timeout,
  )
  for index, process in enumerate(ended):
    if process.code:
      text = process.printed[-3000:]
      raise RuntimeError(f'process {index} failed:\n{text}')
  return [process.printed for process in ended]


def end_processes(
  arguments: Sequence[Sequence[str]],
  folder: str | os.PathLike,
  environments: Sequence[Mapping[str, str]],
  devices: int = 1,
  timeout: float = 900,
) -> list[Ended]:
  """Runs processes as `run_processes` does, which may fail.

  Args:
    arguments: Command and flags of each process.
    folder: Working directory.
    environments: Environment variables to set in each process.
    devices: Simulated devices of each process.
    timeout: Seconds after which those that still run are killed; their exit
      code is then negative.
  """
  with socket.socket() as listener:
    listener.bind(('localhost', 0))
    address = f'localhost:{listener.getsockname()[1]}'
  variables = {
    # The flags of this process but for the number of its devices.
    **topology.environment(os.environ, devices),
    'PYTHONPATH': str(_ROOT),
  }
  count = len(arguments)
  flags = f'--coordinator_address={address}', f'--process_count={count}'
  running = []
  for index in range(count):
    joins = (*flags, f'--process_index={index}') if count > 1 else ()
    running.append(
      subprocess.Popen(
        [sys.executable, '-m', 'flan_jax', *arguments[index], *joins],
        cwd=folder,
        env={**variables, **environments[index]},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
      )
    )
  last = time.monotonic() + timeout
  return [_end(process, last - time.monotonic()) for process in running]


def _end(process: subprocess.Popen, seconds: float) -> Ended:
  """Waits for a process to end, and ends it if it does not in time."""
  try:
    printed = process.communicate(timeout=max(seconds, 0))[0]
  except subprocess.TimeoutExpired:
    process.kill()
    printed = process.communicate()[0]
  except BaseException:
    process.kill()
    raise
  return Ended(process.returncode, printed)
