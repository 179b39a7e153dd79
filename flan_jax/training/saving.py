"""What keeps earlier checkpoints safe while another one is written."""

from collections.abc import Iterator, Sequence, Set
import contextlib
import functools
import logging
import sys

from etils import epath
from orbax.checkpoint.checkpoint_managers import preservation_policy

from flan_jax.runtime import disk, processes
from flan_jax.training import checkpoint_items as items_lib
from flan_jax.training.checkpoint_errors import CheckpointError

# In the name of a folder that Orbax has not finished.
_UNFINISHED = '.orbax-checkpoint-tmp'


class KeepVerified(preservation_policy.PreservationPolicy):
  """Keeps the newest checkpoints that can be read, and all that cannot.

  The one being written may turn out to be damaged, so it does not count yet.
  """

  def __init__(self, keep: int, verified: Set[int]):
    """Keeps some of the steps that are verified, which may grow."""
    self._keep = keep
    self._verified = verified

  def should_preserve(
    self,
    checkpoints: Sequence[preservation_policy.PolicyCheckpointInfo],
    *,
    context: preservation_policy.PreservationContext,
  ) -> Sequence[bool]:
    """Returns whether each checkpoint is kept."""
    steps = sorted(checkpoint.step for checkpoint in checkpoints)
    verified = [step for step in steps if step in self._verified]
    spare = verified[: -self._keep]
    return [checkpoint.step not in spare for checkpoint in checkpoints]


@contextlib.contextmanager
def whole_or_removed(folder: epath.Path) -> Iterator[None]:
  """Removes what a save has written to a folder if it fails in this context.

  Raises:
    CheckpointError: The disk is full.
    Exception: What else the save fails with.
  """
  try:
    yield
  except Exception as error:
    remove_unfinished(folder)
    if disk.full(error) is None:
      raise
    whole = ', '.join(map(str, items_lib.complete_steps(folder)))
    raise CheckpointError(
      f'{folder} has no space left for another checkpoint: free some space or '
      f'lower KEEP_CHECKPOINTS, and run the same command again (whole '
      f'checkpoints: {whole or "none yet"})'
    ) from error


def remove_unfinished(folder: epath.Path) -> None:
  """Removes what is not a whole checkpoint; on the first process."""
  if processes.is_first():
    for path in folder.glob(f'*{_UNFINISHED}*'):
      # On a disk that fails, this may fail too. The next run tries again.
      with contextlib.suppress(OSError):
        path.rmtree()


def verify(folder: epath.Path, verified: set[int]) -> None:
  """Adds the complete checkpoints that can be read, and drops missing ones.

  The first process looks; all call it.
  """
  found = []
  if processes.is_first():
    found = [
      step
      for step in items_lib.complete_steps(folder)
      if step in verified or items_lib.is_readable(folder / str(step))
    ]
  found = processes.from_first(found)
  verified.intersection_update(found)
  verified.update(found)


@functools.cache
def silence_orbax() -> None:
  """Drops what Orbax logs of errors, once: it raises each of them, too."""
  logging.getLogger('absl').addFilter(
    lambda record: '/orbax/' not in record.pathname
  )
  # It names the folder that is being written.
  logging.getLogger('asyncio').addFilter(
    lambda record: _UNFINISHED not in record.getMessage()
  )
  show = sys.unraisablehook

  def hook(unraisable) -> None:
    # Writes of TensorStore that end after the one that failed.
    if str(unraisable.exc_value) != 'Event loop is closed':
      show(unraisable)

  sys.unraisablehook = hook
