"""The processes of a run."""

from collections.abc import Callable
import json
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


class OtherProcessError(UserError):
  """What another process failed with, while this one did not."""


def gather(value: Any) -> list[Any]:
  """Returns a value of plain JSON types of each process, in their order.

  All processes call it.
  """
  if jax.process_count() == 1:
    return [value]
  text = np.frombuffer(json.dumps(value).encode(), np.uint8)
  with waiting_for('the other processes'):
    sizes = multihost_utils.process_allgather(np.array(text.size)).reshape(-1)
    # Few sizes, since each is a program to compile.
    padded = np.zeros(1 << max(8, int(sizes.max()).bit_length()), np.uint8)
    padded[: text.size] = text
    rows = multihost_utils.process_allgather(padded)
  return [
    json.loads(bytes(row[:size]))
    for row, size in zip(rows, sizes.tolist(), strict=True)
  ]


def agree(error: Exception | None) -> None:
  """Raises an error on all processes if one has an error; all call it.

  No process goes on to a computation that another never enters.

  Raises:
    Exception: The error of this process.
    OtherProcessError: The error of another, if this one has none.
  """
  outcomes = gather(None if error is None else f'{error}')
  if error is not None:
    raise error
  for index, outcome in enumerate(outcomes):
    if outcome is not None:
      raise OtherProcessError(f'process {index} failed: {outcome}')


def first_then_others(function: Callable[[], Any]) -> Any:
  """Calls a function on the first process, then on the others.

  The others find the files that the first wrote to a shared disk. If it fails
  on one process, it fails on all.
  """
  found = None
  for turn in (True, False):
    error = None
    if is_first() == turn:
      try:
        found = function()
      except Exception as raised:
        error = raised
    agree(error)
  return found


def only_first(function: Callable[[], None]) -> None:
  """Calls a function on the first process alone; the others wait for it.

  Raises:
    Exception: What the function raises.
    OtherProcessError: On the others, if it raises anything on the first.
  """
  error = None
  if is_first():
    try:
      function()
    except Exception as raised:
      error = raised
  agree(error)
