"""Runs the command line as several local processes of one run."""

from collections.abc import Mapping, Sequence
import os
import pathlib
import socket
import subprocess
import sys

_ROOT = pathlib.Path(__file__).resolve().parents[2]


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
  with socket.socket() as listener:
    listener.bind(('localhost', 0))
    address = f'localhost:{listener.getsockname()[1]}'
  variables = {
    **os.environ,
    'PYTHONPATH': str(_ROOT),
    'JAX_PLATFORMS': 'cpu',
    'XLA_FLAGS': f'--xla_force_host_platform_device_count={devices}',
    **(environment or {}),
  }

  flags = f'--coordinator_address={address}', f'--process_count={count}'
  running = []
  for index in range(count):
    joins = (*flags, f'--process_index={index}') if count > 1 else ()
    running.append(
      subprocess.Popen(
        [sys.executable, '-m', 'flan_jax', *arguments, *joins],
        cwd=folder,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
      )
    )
  try:
    printed = [process.communicate(timeout=timeout)[0] for process in running]
  finally:
    for process in running:
      process.kill()
  for index, process in enumerate(running):
    if process.returncode:
      raise RuntimeError(f'process {index} failed:\n{printed[index][-3000:]}')
  return printed
