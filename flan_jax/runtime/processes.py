"""The processes of a run."""

from collections.abc import Callable
from typing import Any

import jax
from jax.experimental import multihost_utils

from flan_jax.terminal.screen import show


def start(
  coordinator_address: str | None = None,
  process_count: int | None = None,
  process_index: int | None = None,
) -> None:
  """Joins the other processes; call it before JAX looks for devices.

  On Cloud TPU, GKE and SLURM, JAX finds the arguments.

  Args:
    coordinator_address: HOST:PORT of the first process.
    process_count: Number of processes.
    process_index: Index of this process, from 0.
  """
  jax.distributed.initialize(coordinator_address, process_count, process_index)


def is_first() -> bool:
  """Returns whether this process prints and writes results."""
  return jax.process_index() == 0


def log(text: str) -> None:
  """Prints on the first process."""
  if is_first():
    show([text])


def first_then_others(function: Callable[[], Any]) -> Any:
  """Calls a function on the first process, then on the others.

  The others find the files that the first wrote to a shared disk.
  """
  found = function() if is_first() else None
  if jax.process_count() > 1:
    multihost_utils.sync_global_devices('first_then_others')
    if not is_first():
      found = function()
  return found
