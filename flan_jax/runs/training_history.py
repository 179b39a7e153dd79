"""What checkpoints were trained on, read from their records."""

import contextlib
import os

from flan_jax.definitions.held_out import History
from flan_jax.training.checkpoint import Checkpointer
from flan_jax.training.checkpoint_errors import CheckpointDamagedError


def history_of(checkpoint: str | os.PathLike) -> History:
  """Returns what a checkpoint, or the newest of a folder, was trained on."""
  return History.recorded(Checkpointer.read_record(checkpoint))


def initial_history(
  model_dir: str | os.PathLike, initial: str | None
) -> History:
  """Returns what the initial parameters of a run were trained on.

  A run that resumes may not have its initial checkpoint any more. Its own
  checkpoints record the mixtures before its own.

  Args:
    model_dir: Folder of the run.
    initial: Checkpoint that it starts from; None for drawn parameters.

  Raises:
    CheckpointError: The run starts, and there is no initial checkpoint.
  """
  for path in reversed(Checkpointer.paths(model_dir)):
    with contextlib.suppress(CheckpointDamagedError):
      return history_of(path).before_last()
  return History() if initial is None else history_of(initial)
