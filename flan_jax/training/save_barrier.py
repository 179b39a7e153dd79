"""A barrier of the processes that save a checkpoint together."""

import sys

import orbax.checkpoint as ocp


def async_options() -> ocp.options.AsyncOptions:
  """Returns options for saves that one process cannot leave the others in."""
  return ocp.options.AsyncOptions(barrier_sync_fn=_barrier)


def _barrier(*, key: str, timeout_ms: int) -> None:
  """Waits for the others, unless this process has failed.

  Orbax waits at its last barrier after an error too, where the others, which
  are at an earlier one, never come: all wait for 20 minutes.
  """
  error = sys.exception()
  if error is not None:
    raise error
  ocp.multihost.get_barrier_sync_fn()(key=key, timeout_ms=timeout_ms)
