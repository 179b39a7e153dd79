"""Checkpoints as models: what they were made with."""

import os

from flan_jax.runtime import processes
from flan_jax.training import checkpoint_record as record_lib
from flan_jax.training.checkpoint import Checkpointer
from flan_jax.training.checkpoint_record import Expected


def check_record(
  path: str | os.PathLike, expected: Expected, starts: bool = False
) -> None:
  """Checks what a checkpoint was made with, before its arrays are read.

  Args:
    path: A checkpoint, or a MODEL_DIR for its newest one.
    expected: What it must have been made with.
    starts: Whether a run starts from it, with a prompt format of its own. If
      that differs, it is logged.

  Raises:
    ConfigError: It holds a soft prompt, or was made with something else.
    CheckpointError: There is no checkpoint, or its record is damaged.
  """
  record = Checkpointer.read_record(path)
  record_lib.check_no_prompt(record, path)
  if not starts:
    expected.check(record, path)
    return
  expected.check_model(record, path)
  stored = record.get('prompt_format', expected.prompt_format)
  if stored != expected.prompt_format:
    processes.log(
      f'{path} was trained with PROMPT_FORMAT {stored!r}; this run uses '
      f'{expected.prompt_format!r}'
    )
