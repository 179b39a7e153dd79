"""Finds out, after each step, whether to save and whether to stop.

All processes of a run find the same, because they ask each other: a signal
may reach only one of them, and their clocks differ.
"""

from collections.abc import Callable
import dataclasses
import functools
import signal
import time
from typing import Any

import jax
from jax.experimental import multihost_utils
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec
import numpy as np

from flan_jax.runtime.stop_signals import Requests, Stopped

# Votes. The greatest one counts.
_NOTHING, _SAVE, _STOP, _INTERRUPT = range(4)


@dataclasses.dataclass(frozen=True)
class Decision:
  """What all processes do after a step.

  Attributes:
    save: Whether to save.
    stop: Whether to stop then.
    interrupted: Whether Ctrl-C asked for it.
  """

  save: bool = False
  stop: bool = False
  interrupted: bool = False

  def raise_stopped(self, step: int) -> None:
    """Raises `Stopped` if the run stops after a step that is saved."""
    if self.stop:
      why = 'interrupted' if self.interrupted else 'stopped'
      raise Stopped(
        f'{why} after step {step}, which is saved; the same command goes on '
        'from there',
        signal.SIGINT if self.interrupted else signal.SIGTERM,
      )


class Preemption:
  """Decides after each step, for all processes alike."""

  def __init__(
    self,
    requests: Requests,
    save_seconds: float | None = None,
    check: Callable[[], None] = lambda: None,
  ):
    """Initializes the decisions.

    Args:
      requests: Signals that this process received.
      save_seconds: Seconds between two saves, by the clock of the first
        process; None to save by steps.
      check: Raises an error if the run must end without another save.
    """
    self._check = check
    self._requests = requests
    self._save_seconds = save_seconds
    self._alone = jax.process_count() == 1
    self._last: Any = None
    self.saved()

  def saved(self) -> None:
    """Notes that a checkpoint is saved."""
    self._saved = time.monotonic()

  def after(self, step: int) -> Decision:
    """Returns what to do after a step; each process calls it for each step.

    Between processes, a step is late: the vote on a step is counted once the
    step has run, which is when its metrics are fetched.
    """
    self._check()
    vote = self._vote()
    if not self._alone:
      last, self._last = self._last, _greatest(vote)
      vote = _NOTHING if last is None else int(last)
      if _service_says_stop(step):
        vote = max(vote, _STOP)
    return Decision(
      save=vote >= _SAVE,
      stop=vote >= _STOP,
      interrupted=vote == _INTERRUPT,
    )

  def _vote(self) -> int:
    if self._requests.received is not None:
      interrupted = self._requests.received == signal.SIGINT
      return _INTERRUPT if interrupted else _STOP
    # One clock counts.
    if self._save_seconds is None or jax.process_index() > 0:
      return _NOTHING
    due = time.monotonic() - self._saved >= self._save_seconds
    return _SAVE if due else _NOTHING


def _service_says_stop(step: int) -> bool:
  """Returns what JAX's preemption service tells all processes."""
  try:
    return multihost_utils.reached_preemption_sync_point(step)
  except RuntimeError:
    return False  # It is turned off.


def _greatest(vote: int) -> jax.Array:
  """Starts to find the greatest vote of all processes, and returns it."""
  mesh, greatest = _program()
  votes = jax.make_array_from_process_local_data(
    NamedSharding(mesh, PartitionSpec('process')), np.array([vote], np.int32)
  )
  return greatest(votes)


@functools.cache
def _program() -> tuple[Mesh, Any]:
  """Returns a mesh with one device of each process, and the program."""
  devices = {device.process_index: device for device in jax.devices()}
  mesh = Mesh([devices[index] for index in sorted(devices)], ('process',))
  whole = NamedSharding(mesh, PartitionSpec())
  return mesh, jax.jit(jnp.max, out_shardings=whole)
