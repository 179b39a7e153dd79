"""The processes of a run."""

from collections.abc import Callable
from typing import Any

import jax
from jax.experimental import multihost_utils
import numpy as np

from flan_jax.errors import UserError
from flan_jax.runtime.watchdog import waiting_for
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


def only_first(function: Callable[[], None]) -> None:
  """Calls a function on the first process alone; the others wait for it.

  Raises:
    Exception: What the function raises.
    UserError: On the other processes, if it raises anything on the first.
  """
  error = None
  if is_first():
    try:
      function()
    except Exception as raised:
      error = raised
  if jax.process_count() > 1:
    with waiting_for('the first process'):
      failed = multihost_utils.broadcast_one_to_all(np.array(bool(error)))
    if failed and error is None:
      raise UserError('the first process cannot go on; it says why')
  if error is not None:
    raise error
