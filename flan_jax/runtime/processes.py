"""Several processes that do one run together."""

from collections.abc import Callable

import jax
from jax.experimental import multihost_utils


def start(
  coordinator_address: str | None = None,
  process_count: int | None = None,
  process_index: int | None = None,
) -> None:
  """Joins the other processes; before anything asks JAX for its devices.

  Args:
    coordinator_address: HOST:PORT of the first process. None, with the other
      two: JAX finds them where it can, as on Cloud TPU, GKE and SLURM.
    process_count: Number of processes.
    process_index: Number of this one, from 0.
  """
  jax.distributed.initialize(coordinator_address, process_count, process_index)


def is_first() -> bool:
  """Whether this process is the one that talks and writes results."""
  return jax.process_index() == 0


def log(text: str) -> None:
  """Prints on the first process."""
  if is_first():
    print(text, flush=True)


def first_then_others(function: Callable[[], None]) -> None:
  """Calls a function on the first process, and then on the others.

  What it leaves on a disk that they share is there when they look.
  """
  if is_first():
    function()
  if jax.process_count() > 1:
    multihost_utils.sync_global_devices('first_then_others')
    if not is_first():
      function()
