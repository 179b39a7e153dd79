"""Checkpoints: plain dictionaries of arrays, written by Orbax.

`MODEL_DIR/checkpoints/STEP/` holds `params`, `training` (the rest of the train
state), and `record`, see `checkpoint_items`. A folder that a killed save leaves
is never read. A folder of imported parameters holds `params` and `record`.
"""

from collections.abc import Mapping
import contextlib
import json
import logging
import operator
import os
from typing import Any

from etils import epath
from flax import serialization
import jax
from jax.experimental import multihost_utils
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy

from flan_jax.errors import ConfigError
from flan_jax.model.decoder_config import DecoderConfig
from flan_jax.training import checkpoint_items as items_lib
from flan_jax.training.checkpoint_items import (
  CHECKPOINTS,
  CheckpointDamagedError,
  CheckpointError,
  CheckpointMismatchError,
  params_digest,
)
from flan_jax.vocabulary.base import Vocabulary

# Where Orbax puts the metrics of a checkpoint, and the only one there is.
_METRICS, _SCORE = 'metrics/metrics', 'score'
# What `save_params` copies at a time, in 10^9 bytes, and writes to one file.
# All of a file is in memory until it is written.
_GB = 1
_FILE_BYTES = 2**28


class Checkpointer:
  """Writes and finds the checkpoints of a run; one at a time per MODEL_DIR."""

  def __init__(
    self, model_dir: str | os.PathLike, keep: int = 3, best: bool = False
  ):
    """Opens a run's folder and removes what killed saves left in it.

    Args:
      model_dir: MODEL_DIR; made if it is missing.
      keep: Number of newest checkpoints to keep.
      best: Whether to keep the one with the highest score too.
    """
    policies = [preservation_policy.LatestN(keep)]
    score_of = operator.itemgetter(_SCORE) if best else None
    if best:
      policies.append(
        preservation_policy.BestN(
          get_metric_fn=score_of, n=1, keep_checkpoints_without_metrics=False
        )
      )
    self.model_dir = model_dir
    self._folder = items_lib.absolute(model_dir) / CHECKPOINTS
    self._folder.mkdir(parents=True, exist_ok=True)
    self._manager = ocp.CheckpointManager(
      self._folder,
      options=ocp.CheckpointManagerOptions(
        preservation_policy=preservation_policy.AnyPreservationPolicy(policies),
        # Without it Orbax would not write the scores.
        best_fn=score_of,
        cleanup_tmp_directories=True,
      ),
    )

  def save(
    self,
    step: int,
    state: Mapping[str, Any],
    record: Mapping[str, Any],
    score: float | None = None,
  ) -> None:
    """Writes a checkpoint in the background, once the one before is written.

    The state may be donated as soon as this returns. It must be finite.

    Args:
      step: Steps done, more than those of any existing checkpoint.
      state: The train state.
      record: Any JSON object; returned with the state.
      score: Higher is better; None if not known.

    Raises:
      CheckpointError: There is a checkpoint of this or a later step.
    """
    items = _items(state)
    saved = self._manager.save(
      step,
      args=ocp.args.Composite(
        record=ocp.args.JsonSave(_contents(items, record)),
        **{n: ocp.args.StandardSave(item) for n, item in items.items()},
      ),
      metrics=None if score is None else {_SCORE: float(score)},
    )
    if not saved:
      raise CheckpointError(
        f'{self._folder} has a checkpoint of step {step} or later '
        f'({self.steps()}): does another run write to this MODEL_DIR?'
      )

  def restore_latest(
    self, abstract_state: Mapping[str, Any]
  ) -> tuple[dict[str, Any], dict[str, Any], int] | None:
    """Reads the newest intact checkpoint.

    A damaged one is reported as a warning. Once an older one has been read, it
    is renamed to `STEP.damaged`, so that its step can be saved again.

    Args:
      abstract_state: From `step.abstract_state`; the mesh may be another one.

    Returns:
      State, record and step; None if there is no checkpoint.

    Raises:
      CheckpointMismatchError: Names or shapes differ.
      CheckpointDamagedError: There are checkpoints, but all are damaged.
    """
    self.wait()
    damaged = []
    for step in reversed(self.steps()):
      path = self._folder / str(step)
      restored, error = _try_restore(path, abstract_state)
      if restored is not None:
        if damaged:
          self._set_aside(damaged)
        return (*restored, step)
      logging.warning('Checkpoint %s is damaged, not used: %s', path, error)
      damaged.append(path)
    if damaged:
      raise CheckpointDamagedError(
        f'all checkpoints are damaged: {", ".join(map(str, damaged))}; start '
        'again in another MODEL_DIR'
      )
    return None

  @staticmethod
  def restore_params(path: str | os.PathLike, abstract_params: Any) -> Any:
    """Reads parameters and nothing else.

    Args:
      path: A checkpoint, or a MODEL_DIR for its newest one.
      abstract_params: Shapes, types (cast to) and shardings of the parameters.

    Raises:
      CheckpointError: It is missing, does not fit, or cannot be read.
    """
    checkpoint = items_lib.find(path)
    try:
      return items_lib.read_item(checkpoint, 'params', abstract_params)
    except CheckpointMismatchError:
      raise
    except Exception as error:
      raise CheckpointDamagedError(
        f'the parameters of {checkpoint} cannot be read: {error}'
      ) from error

  @staticmethod
  def save_params(
    path: str | os.PathLike, params: Any, record: Mapping[str, Any]
  ) -> None:
    """Writes parameters and nothing else.

    Unlike `save`, it copies a little at a time, whatever the size of the model.

    Args:
      path: The folder; may hold other files.
      params: The parameters.
      record: Any JSON object.

    Raises:
      CheckpointError: The folder has parameters already.
    """
    path = items_lib.absolute(path)
    if (path / 'params').exists():
      raise CheckpointError(f'{path} exists and has parameters: remove them')
    handler = ocp.PyTreeCheckpointHandler(save_device_host_concurrent_gb=_GB)
    save = ocp.args.PyTreeSave(params, ocdbt_target_data_file_size=_FILE_BYTES)
    with contextlib.closing(ocp.Checkpointer(handler)) as writer:
      writer.save(path / 'params', args=save)
    contents = _contents({'params': params}, record)
    handler = ocp.JsonCheckpointHandler()
    with contextlib.closing(ocp.Checkpointer(handler)) as writer:
      writer.save(path / 'record', args=ocp.args.JsonSave(contents))

  @staticmethod
  def read_record(path: str | os.PathLike) -> dict[str, Any]:
    """Reads the record of a checkpoint, see `find`; {} if it has none."""
    checkpoint = items_lib.find(path)
    if not (checkpoint / 'record').exists():
      return {}
    return items_lib.read_record(checkpoint)['record']

  @staticmethod
  def digests(path: str | os.PathLike) -> dict[str, int]:
    """Returns the `params_digest` of each item of a checkpoint, see `find`."""
    return items_lib.read_record(items_lib.find(path))['digests']

  @staticmethod
  def best(model_dir: str | os.PathLike) -> str:
    """Returns the checkpoint with the highest score, the first of equals.

    Raises:
      CheckpointError: No checkpoint has a score.
    """
    scores = _scores(model_dir)
    if not scores:
      raise CheckpointError(
        f'no checkpoint in {model_dir} has a score: train with KEEP_BEST'
      )
    return str(max(scores, key=scores.get))

  @staticmethod
  def best_or_newest(path: str | os.PathLike) -> str:
    """Returns the best checkpoint of a run that scores them, or as `find`."""
    if _scores(path):
      return Checkpointer.best(path)
    return Checkpointer.find(path)[0]

  @staticmethod
  def find(path: str | os.PathLike) -> tuple[str, int | None]:
    """Returns a checkpoint, or the newest in a MODEL_DIR, and its step if any.

    Raises:
      CheckpointError: There is no checkpoint.
    """
    found = items_lib.find(path)
    return str(found), int(found.name) if found.name.isdecimal() else None

  @staticmethod
  def paths(model_dir: str | os.PathLike) -> list[epath.Path]:
    """Returns the complete checkpoints of a run, oldest first."""
    folder = items_lib.absolute(model_dir) / CHECKPOINTS
    return [folder / str(step) for step in items_lib.complete_steps(folder)]

  def steps(self) -> list[int]:
    """Returns the steps of the complete checkpoints, oldest first."""
    return items_lib.complete_steps(self._folder)

  def wait(self) -> None:
    """Waits for the checkpoint being written, and raises its error."""
    self._manager.wait_until_finished()

  def close(self) -> None:
    """Waits as `wait` does, and frees threads; call it last."""
    self._manager.close()

  def _set_aside(self, damaged):
    if jax.process_index() == 0:
      for path in damaged:
        aside = path.parent / f'{path.name}.damaged'
        if aside.exists():
          aside.rmtree()
        path.rename(aside)
    multihost_utils.sync_global_devices('damaged checkpoints set aside')
    self._manager.reload()


def _scores(model_dir):
  """Returns the score of each checkpoint that has one, oldest first."""
  return {
    path: json.loads((path / _METRICS).read_text())[_SCORE]
    for path in Checkpointer.paths(model_dir)
    if (path / _METRICS).exists()
  }


def _items(state):
  """Returns a train state as the items of a checkpoint, plain dictionaries."""
  rest = serialization.to_state_dict(dict(state))
  return {'params': rest.pop('params'), 'training': rest}


def _contents(items, record):
  digests = {name: params_digest(item) for name, item in items.items()}
  return {'digests': digests, 'record': dict(record)}


def _try_restore(path, abstract_state):
  """Returns ((state, record), None), or (None, the error)."""
  error = None
  try:
    items = {
      name: items_lib.read_item(path, name, item)
      for name, item in _items(abstract_state).items()
    }
    flat = {**items['training'], 'params': items['params']}
    state = serialization.from_state_dict(dict(abstract_state), flat)
    restored = state, items_lib.read_record(path)['record']
  except CheckpointMismatchError:
    raise
  # A broken file surfaces as whatever the layer that reads it raises.
  except Exception as broken:
    restored, error = None, broken
  if jax.process_count() > 1:
    intact = multihost_utils.process_allgather(np.array(restored is not None))
    if not intact.all():
      restored = None
      error = error or 'another process cannot read it'
  return restored, error


def check_vocabulary(
  vocabulary: Vocabulary, model: DecoderConfig, checkpoint: str | None = None
) -> None:
  """Checks that a vocabulary fits a model and is the one of a checkpoint.

  Raises:
    ConfigError: The vocabulary has more ids than the embedding has rows, or the
      checkpoint was made with another one.
    CheckpointError: There is no such checkpoint.
  """
  if vocabulary.size > model.vocab_size:
    raise ConfigError(
      f'the vocabulary has {vocabulary.size} pieces, the embedding '
      f'{model.vocab_size} rows: raise DecoderConfig.vocab_size or choose '
      'another VOCABULARY'
    )
  record = {} if checkpoint is None else Checkpointer.read_record(checkpoint)
  known = record.get('vocabulary', {'digest': vocabulary.digest})
  if known['digest'] != vocabulary.digest:
    raise ConfigError(
      f'{checkpoint} was made with the vocabulary {known["path"]}, and '
      f'VOCABULARY is {vocabulary.path} (the gin file given last decides)'
    )
