"""The processes of a run."""

from collections.abc import Callable, Mapping, Sequence
import json
import logging
from typing import Any

import jax
from jax.experimental import multihost_utils
import numpy as np

from flan_jax.errors import ConfigError, UserError
from flan_jax.runtime import peers
from flan_jax.runtime.rendezvous import Meeting, meet
from flan_jax.runtime.watchdog import waiting_for
from flan_jax.terminal.screen import note, show

# Whether processes besides the first print what `log` is given.
_logs_all = False


def start(
  meeting: Meeting, local_device: int | None = None, logs_all: bool = False
) -> None:
  """Joins the other processes; call it before JAX looks for devices.

  Args:
    meeting: Where the processes of the run find each other.
    local_device: The only device of this process; None for all of the host.
    logs_all: Whether all processes log, not the first alone.

  Raises:
    RendezvousError: They do not come in time, or do not belong together.
  """
  global _logs_all
  meet(meeting, note)
  _logs_all = logs_all
  if meeting.index and not logs_all:
    logging.getLogger().setLevel(logging.ERROR)
  jax.distributed.initialize(
    meeting.address,
    meeting.count,
    meeting.index,
    None if local_device is None else [local_device],
    initialization_timeout=int(max(meeting.timeout, 60)),
  )
  # No public function of JAX gives its key-value store.
  client = jax._src.distributed.global_state.client
  peers.join(client, meeting.index, meeting.count, meeting.place)


def is_first() -> bool:
  """Returns whether this process prints and writes results."""
  return jax.process_index() == 0


def log(text: str) -> None:
  """Prints on the first process, or on all if they are to log."""
  if is_first():
    show([text])
  elif _logs_all:
    show([f'process {jax.process_index()}: {text}'])


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
    padded = np.zeros(_padded_size(int(sizes.max())), np.uint8)
    padded[: text.size] = text
    rows = multihost_utils.process_allgather(padded)
  return [
    json.loads(bytes(row[:size]))
    for row, size in zip(rows, sizes.tolist(), strict=True)
  ]


def from_first(value: Any) -> Any:
  """Returns the value of the first process, of plain JSON types.

  All processes call it; what the others pass is not looked at.
  """
  if jax.process_count() == 1:
    return value
  text = json.dumps(value).encode() if is_first() else b''
  with waiting_for('the first process'):
    size = multihost_utils.broadcast_one_to_all(np.array(len(text)))
    padded = np.zeros(_padded_size(int(size)), np.uint8)
    padded[: len(text)] = np.frombuffer(text, np.uint8)
    found = multihost_utils.broadcast_one_to_all(padded)
  return json.loads(bytes(found[: int(size)]))


def _padded_size(size: int) -> int:
  """Returns one of few sizes, since each is a program to compile."""
  return 1 << max(8, size.bit_length())


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


def check_same(values: Mapping[str, Sequence[str]]) -> None:
  """Raises an error on all processes if they differ in what a run needs.

  Args:
    values: Name -> lines of text that must be the same.

  Raises:
    ConfigError: Some differ; shows what the first process has, and what the
      first other that differs.
  """
  mine = {name: list(lines) for name, lines in values.items()}
  first, *others = gather(mine)
  for index, other in enumerate(others, 1):
    for name, lines in first.items():
      if lines != other[name]:
        raise ConfigError(
          f'processes 0 and {index} differ in {name}: '
          f'{_only(lines, other[name])}; and {_only(other[name], lines)}: '
          'start all with the same'
        )


def _only(lines: Sequence[str], others: Sequence[str]) -> str:
  """Returns the lines that others lack, in one."""
  found = [line for line in lines if line not in others] or ['nothing']
  more = f' and {len(found) - 3} more' if len(found) > 3 else ''
  return ', '.join(found[:3]) + more


def first_then_others(function: Callable[[], Any]) -> Any:
  """Calls a function on the first process, then on the others.

  The others find the files that the first wrote to a shared disk. If it fails
  on one process, it fails on all.
  """
  # Processes connect in their first collective computation, for which those on
  # CPUs wait 30 seconds only. The function may take longer.
  gather(None)
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
