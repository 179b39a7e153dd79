"""Checkpoints as models: what they were made with, and their parameters."""

import dataclasses
import os
from typing import Any

import jax

from flan_jax.model import DecoderConfig, abstract_params, adapters
from flan_jax.runtime import processes
from flan_jax.training import checkpoint_record as record_lib
from flan_jax.training.checkpoint import Checkpointer
from flan_jax.training.checkpoint_errors import CheckpointError
from flan_jax.training.checkpoint_items import params_digest
from flan_jax.training.checkpoint_record import Expected
from flan_jax.training.part_checkpoint import check_base


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


def restore_model(
  path: str | os.PathLike,
  model: DecoderConfig,
  mesh: jax.sharding.Mesh,
  average: bool = False,
  base: str | None = None,
) -> Any:
  """Reads the parameters of a model; adapters are merged into their base.

  Args:
    path: A checkpoint, or a MODEL_DIR for its newest one.
    model: Shape of the decoder; its own adapters do not matter.
    mesh: The devices.
    average: Whether to take the moving average of those that were trained.
    base: Where the base of adapters is; None for the place that they record.

  Raises:
    CheckpointError: A checkpoint is missing, does not fit, or cannot be read.
    ConfigError: The base is not the one that adapters were trained on.
  """
  model, record = adapters.base_config(model), Checkpointer.read_record(path)
  if not record_lib.has_adapters(record):
    shapes = abstract_params(model, mesh)
    return Checkpointer.restore_params(path, shapes, average)
  base = base or record_lib.recorded_base(record, path)
  try:
    params = restore_model(base, model, mesh)
  except CheckpointError as error:
    raise CheckpointError(
      f'the base model of the adapters in {path}: {error} (set '
      'BASE_CHECKPOINT_PATH, or --base_checkpoint of `flan-jax export`, if it '
      'has another place now)'
    ) from error
  check_base(record, params_digest(params), str(path), str(base))
  adapted, own = restore_adapters(path, model, mesh, average)
  return adapters.merge(adapted, params, own, mesh)


def restore_adapters(
  path: str | os.PathLike,
  model: DecoderConfig,
  mesh: jax.sharding.Mesh,
  average: bool = False,
) -> tuple[DecoderConfig, Any]:
  """Returns the shape of a model with adapters, and the adapters alone.

  Takes the arguments of `restore_model`.
  """
  record = Checkpointer.read_record(path)
  recorded = record_lib.recorded_model(record, path)
  adapted = dataclasses.replace(
    model,
    lora_rank=recorded.lora_rank,
    lora_alpha=recorded.lora_alpha,
    lora_targets=recorded.lora_targets,
  )
  shapes = adapters.only(abstract_params(adapted, mesh))
  return adapted, Checkpointer.restore_params(path, shapes, average)
