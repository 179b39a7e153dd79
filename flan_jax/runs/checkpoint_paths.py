"""The checkpoints that CHECKPOINT_PATH and MODEL_DIR name."""

from collections.abc import Callable, Mapping, Sequence
import contextlib
import os
from typing import Any

from flan_jax.errors import ConfigError
from flan_jax.training.checkpoint import Checkpointer
from flan_jax.training.checkpoint_errors import CheckpointDamagedError


def labelled_checkpoints(
  spec: str | Sequence[str] | None,
  model_dir: str,
  locate: Callable[[str | None], str | None],
) -> dict[str, str]:
  """Returns label -> checkpoint; the label of a single one is empty.

  Args:
    spec: A checkpoint or model directory, or several; 'all' or 'best' of
      model_dir; None for its newest.
    model_dir: The MODEL_DIR macro.
    locate: Returns the path of a checkpoint, which may be in a package.

  Raises:
    ConfigError: there is no checkpoint, or labels would be equal.
  """
  if spec == 'all':
    paths = [str(path) for path in Checkpointer.paths(model_dir)]
    if not paths:
      raise ConfigError(f"CHECKPOINT_PATH = 'all': {model_dir} has none")
  elif spec == 'best':
    paths = [Checkpointer.best(model_dir)]
  elif spec is None or isinstance(spec, str):
    paths = [locate(spec) or model_dir]
  else:
    paths = [locate(path) for path in spec]
  if len(paths) == 1:
    return {'': paths[0]}
  labels = [os.path.basename(path.rstrip('/')) for path in paths]
  if len(set(labels)) < len(labels):
    raise ConfigError(
      'the paths in CHECKPOINT_PATH must differ in their last part, which '
      f'names the folder of their results: {", ".join(labels)}'
    )
  return dict(zip(labels, paths, strict=True))


def one_checkpoint(
  spec: str | None, model_dir: str | None, initial: str | None
) -> str:
  """Returns the first that is given of three macros.

  Args:
    spec: CHECKPOINT_PATH: a checkpoint or model directory, or 'best'.
    model_dir: MODEL_DIR.
    initial: INITIAL_CHECKPOINT_PATH.

  Raises:
    ConfigError: none is given, or several paths.
  """
  if spec == 'best' and model_dir is not None:
    return Checkpointer.best(model_dir)
  path = spec or model_dir or initial
  if not isinstance(path, str) or path in ('all', 'best'):
    raise ConfigError(
      'set CHECKPOINT_PATH to one checkpoint, or MODEL_DIR for its newest one, '
      f'or both with CHECKPOINT_PATH=best for its best one; not {path!r}'
    )
  return path


def accept_newest(
  model_dir: str, accept: Callable[[Mapping[str, Any], Any], None]
) -> bool:
  """Has the newest checkpoint that can be read accepted, if there is any.

  Returns:
    Whether there is one.
  """
  for path in reversed(Checkpointer.paths(model_dir)):
    with contextlib.suppress(CheckpointDamagedError):
      accept(Checkpointer.read_record(path), path)
      return True
  return False
