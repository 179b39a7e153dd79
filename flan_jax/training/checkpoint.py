"""Checkpoints: plain dictionaries of arrays, written by Orbax.

`MODEL_DIR/checkpoints/STEP/` holds `params`, `average` (that of the trained
parameters, if the run has one), `training` (the rest of the train state), and
`record`, see `checkpoint_record`. A folder that a killed save leaves is never
read. A folder of imported parameters holds `params` and
`record`.
"""

from collections.abc import Callable, Mapping
import contextlib
import functools
import json
import logging
import os
from typing import Any

from etils import epath
from flax import serialization
import jax
from jax.experimental import multihost_utils
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy

from flan_jax.runtime import processes
from flan_jax.runtime.watchdog import waiting_for
from flan_jax.training import checkpoint_items as items_lib
from flan_jax.training import checkpoint_record as record_lib
from flan_jax.training import save_barrier, saving
from flan_jax.training.averaging import AveragedState
from flan_jax.training.best_checkpoint import KeepBest
from flan_jax.training.checkpoint_errors import (
  CheckpointDamagedError,
  CheckpointError,
)
from flan_jax.training.checkpoint_items import CHECKPOINTS, params_digest
from flan_jax.training.trained import trained, with_trained

# Where older checkpoints have their score.
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
    self.model_dir = model_dir
    self._folder = items_lib.absolute(model_dir) / CHECKPOINTS
    self._folder.mkdir(parents=True, exist_ok=True)
    saving.silence_orbax()
    self._keep = keep
    self._verified: set[int] = set()
    policies = [saving.KeepVerified(keep, self._verified)]
    # By step. The first process reads them, so that all delete the same.
    scores = processes.from_first(list(_scores(model_dir).items()))
    self._scores = dict(scores)
    self._best = best
    if best:
      policies.append(KeepBest(self._scores))
    self._saving = False
    self._manager = ocp.CheckpointManager(
      self._folder,
      options=ocp.CheckpointManagerOptions(
        preservation_policy=preservation_policy.AnyPreservationPolicy(policies),
        cleanup_tmp_directories=True,
        async_options=save_barrier.async_options(),
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

    Older ones are deleted if enough others can be read. The state may be
    donated as soon as this returns. It must be finite.

    Args:
      step: Steps done, more than those of any existing checkpoint.
      state: The train state.
      record: Any JSON object; returned with the state.
      score: Higher is better; None if not known.

    Raises:
      CheckpointError: There is a checkpoint of this or a later step, or no
        space.
    """
    self.wait()
    saving.verify(self._folder, self._verified)
    items = _items(state)
    if score is not None:
      score = self._scores[step] = float(score)
    self._saving = True
    with saving.whole_or_removed(self._folder):
      saved = self._manager.save(
        step,
        args=ocp.args.Composite(
          record=ocp.args.JsonSave(_contents(items, record, score)),
          **{n: ocp.args.StandardSave(item) for n, item in items.items()},
        ),
      )
    if not saved:
      raise CheckpointError(
        f'{self._folder} has a checkpoint of step {step} or later '
        f'({self.steps()}): does another run write to this MODEL_DIR?'
      )

  def restore_latest(
    self,
    abstract_state: Mapping[str, Any],
    check: Callable[[Mapping[str, Any], Any], None] | None = None,
  ) -> tuple[dict[str, Any], dict[str, Any], int] | None:
    """Reads the newest intact checkpoint.

    A damaged one is reported as a warning. Once an older one has been read, it
    is renamed to `STEP.damaged`, so that its step can be saved again.

    Args:
      abstract_state: From `step.abstract_state`; the mesh may be another one.
      check: Raises a UserError if a record, the first argument, does not fit;
        the second is the checkpoint. Called before anything else is read.

    Returns:
      State, record and step; None if there is no checkpoint.

    Raises:
      CheckpointMismatchError: Names or shapes differ.
      CheckpointDamagedError: There are checkpoints, but all are damaged.
    """
    self.wait()
    damaged, wanted = [], _items(abstract_state)
    # The first process decides which are tried, so that all try the same.
    for step in reversed(processes.from_first(self.steps())):
      path = self._folder / str(step)
      fits = check and functools.partial(check, path=path)
      try:
        items, record = items_lib.read_items(path, wanted, fits)
      except CheckpointDamagedError as error:
        logging.warning('Checkpoint %s is damaged, not used: %s', path, error)
        damaged.append(path)
        continue
      if damaged:
        self._set_aside(damaged)
      return _as_state(abstract_state, items), record, step
    if damaged:
      raise CheckpointDamagedError(
        f'all checkpoints are damaged: {", ".join(map(str, damaged))}; start '
        'again in another MODEL_DIR'
      )
    return None

  @staticmethod
  def restore_params(
    path: str | os.PathLike, abstract_params: Any, average: bool = False
  ) -> Any:
    """Reads parameters and nothing else.

    Args:
      path: A checkpoint, or a MODEL_DIR for its newest one.
      abstract_params: Shapes, types (cast to) and shardings of the parameters.
      average: Whether to take the moving average of those that were trained.

    Raises:
      CheckpointError: It is missing, does not fit, or cannot be read, or has no
        average.
    """
    wanted = {'params': abstract_params}
    if average:
      record = Checkpointer.read_record(path)
      optimizer = record.get('optimizer', {})
      if not optimizer.get('averages'):
        raise CheckpointError(
          f'{path} has no moving average of its parameters: train with '
          'EMA_DECAY, or use the parameters themselves'
        )
      # All adapters are trained, and their base is not in the checkpoint.
      frozen = () if record_lib.has_adapters(record) else optimizer['frozen']
      wanted['average'] = trained(abstract_params, frozen)
    items, _ = items_lib.read_items(items_lib.find(path), wanted)
    params = items['params']
    return with_trained(params, items['average']) if average else params

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
    return record_lib.read_contents(items_lib.find(path)).get('record', {})

  @staticmethod
  def digests(path: str | os.PathLike) -> dict[str, int]:
    """Returns the `params_digest` of each item of a checkpoint, see `find`.

    Raises:
      CheckpointError: It has no record.
    """
    checkpoint = items_lib.find(path)
    contents = record_lib.read_contents(checkpoint)
    if not contents:
      raise CheckpointError(f'{checkpoint} has no record of what is in it')
    return contents['digests']

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
    step = max(scores, key=scores.get)
    return str(items_lib.absolute(model_dir) / CHECKPOINTS / str(step))

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
    return str(found), items_lib.step_of(found)

  @staticmethod
  def paths(model_dir: str | os.PathLike) -> list[epath.Path]:
    """Returns the complete checkpoints of a run, oldest first."""
    folder = items_lib.absolute(model_dir) / CHECKPOINTS
    return [folder / str(step) for step in items_lib.complete_steps(folder)]

  def steps(self) -> list[int]:
    """Returns the steps of the complete checkpoints, oldest first."""
    return items_lib.complete_steps(self._folder)

  def check(self) -> None:
    """Raises the error of the last save, once it has ended; does not wait."""
    if self._saving and not self._manager.is_saving_in_progress():
      self.wait()

  def wait(self) -> None:
    """Waits for the checkpoint being written, and raises its error."""
    self._saving = False
    with (
      saving.whole_or_removed(self._folder),
      waiting_for('the checkpoint being written'),
    ):
      self._manager.wait_until_finished()

  def finish(self) -> None:
    """Waits as `wait` does, and deletes what is one too many since then.

    All processes call it.
    """
    self.wait()
    saving.verify(self._folder, self._verified)
    scored = {n: s for n, s in self._scores.items() if n in self._verified}
    kept = sorted(self._verified)[-self._keep :]
    if self._best and scored:
      kept.append(max(scored, key=scored.get))
    for step in sorted(self._verified.difference(kept)):
      self._manager.delete(step)
      self._verified.remove(step)

  def close(self) -> None:
    """Waits as `wait` does, and frees threads; call it last."""
    try:
      self.wait()
    finally:
      self._manager.close()
      saving.remove_unfinished(self._folder)

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
  """Returns the score of each step that has one, oldest first."""
  scores = {
    items_lib.step_of(path): _score(path)
    for path in Checkpointer.paths(model_dir)
  }
  return {step: score for step, score in scores.items() if score is not None}


def _score(checkpoint):
  """Returns the score of a checkpoint; None if it has none or is damaged."""
  try:
    contents = record_lib.read_contents(checkpoint)
    if 'score' in contents:
      return contents['score']
    metrics = checkpoint / _METRICS
    return json.loads(metrics.read_text())[_SCORE] if metrics.exists() else None
  except (CheckpointDamagedError, ValueError, KeyError) as error:
    logging.warning(
      'The score of %s is damaged, not used: %s', checkpoint, error
    )
    return None


def _items(state):
  """Returns a train state as the items of a checkpoint, plain dictionaries."""
  rest = serialization.to_state_dict(dict(state))
  items = {'params': rest.pop('params'), 'training': rest}
  if isinstance(state.get('opt_state'), AveragedState):
    items['average'] = rest['opt_state'].pop('average')
  return items


def _contents(items, record, score=None):
  return record_lib.make_contents(
    {name: params_digest(item) for name, item in items.items()},
    {name: record_lib.tree_digest(item) for name, item in items.items()},
    record,
    score,
  )


def _as_state(abstract_state, items):
  """Returns the items of a checkpoint as a train state."""
  flat = {**items['training'], 'params': items['params']}
  if 'average' in items:
    average = {'average': items['average']}
    flat['opt_state'] = {**flat['opt_state'], **average}
  return serialization.from_state_dict(dict(abstract_state), flat)
