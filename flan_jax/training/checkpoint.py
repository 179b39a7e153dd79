"""Checkpoints: plain dictionaries of arrays, written by Orbax.

`MODEL_DIR/checkpoints/STEP/` holds three items: `params`; `training`, which is
the rest of the train state; and `record`, JSON. What a killed save leaves
has another name, or lacks the mark of completion, and is never read. A folder
of imported parameters holds `params` and `record`.
"""

from collections.abc import Mapping
import contextlib
import json
import logging
import math
import operator
import os
from typing import Any

from etils import epath
from flax import serialization
import jax
from jax.experimental import multihost_utils
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy

from flan_jax.errors import ConfigError, UserError
from flan_jax.model.decoder_config import DecoderConfig
from flan_jax.vocabulary.base import Vocabulary

_FOLDER = 'checkpoints'
_DAMAGED = '.damaged'
# Where Orbax puts the metrics of a checkpoint, and the one that is there.
_METRICS, _SCORE = 'metrics/metrics', 'score'
# What `save_params` copies at a time, in 10^9 bytes, and writes to one file,
# all of which is in memory until then.
_SAVE_GB = 1
_FILE_BYTES = 2**28


class CheckpointMismatchError(UserError):
  """A checkpoint of another shape; lists all names that do not fit."""


class CheckpointDamagedError(UserError):
  """A checkpoint that cannot be read, or not as it was written."""


def check_finite(metrics: Mapping[str, Any]) -> None:
  """Raises FloatingPointError that names the metrics which are not finite."""
  values = {name: float(value) for name, value in metrics.items()}
  bad = [f'{n}={v}' for n, v in values.items() if not math.isfinite(v)]
  if bad:
    raise FloatingPointError(f'Training diverged: {", ".join(bad)}.')


class Checkpointer:
  """Writes and finds the checkpoints of a run; one at a time per MODEL_DIR.

  Attributes:
    model_dir: MODEL_DIR as it was given.
  """

  def __init__(
    self, model_dir: str | os.PathLike, keep: int = 3, best: bool = False
  ):
    """Opens a run's folder and removes what killed saves left in it.

    Args:
      model_dir: MODEL_DIR; made if it is missing.
      keep: Newest checkpoints that are kept.
      best: Whether the one with the highest score is kept as well.
    """
    policies = [preservation_policy.LatestN(keep)]
    score_of = operator.itemgetter(_SCORE) if best else None
    if best:
      policies.append(
        preservation_policy.BestN(
          get_metric_fn=score_of,
          n=1,
          keep_checkpoints_without_metrics=False,
        )
      )
    self.model_dir = model_dir
    self._folder = _absolute(model_dir) / _FOLDER
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
    """Writes a checkpoint in the background, after the one before is done.

    The state may be donated as soon as this returns. That it is finite is the
    caller's to make sure (`check_finite`).

    Args:
      step: Steps done, larger than that of every checkpoint there is.
      state: The train state.
      record: Anything JSON can hold; comes back with the state.
      score: How good it is, the higher the better, if that is known.

    Raises:
      ValueError: There is a checkpoint of this or a later step.
    """
    items = _items(state)
    prints = {name: int(_digest_of_tree(item)) for name, item in items.items()}
    contents = {'digests': prints, 'record': dict(record)}
    saved = self._manager.save(
      step,
      args=ocp.args.Composite(
        record=ocp.args.JsonSave(contents),
        **{n: ocp.args.StandardSave(item) for n, item in items.items()},
      ),
      metrics=None if score is None else {_SCORE: float(score)},
    )
    if not saved:
      raise ValueError(
        f'{self._folder} has a checkpoint of step {step} or later: '
        f'{self.steps()}.'
      )

  def restore_latest(
    self, abstract_state: Mapping[str, Any]
  ) -> tuple[dict[str, Any], dict[str, Any], int] | None:
    """Reads the newest checkpoint that is intact.

    A damaged one is reported as a warning and, once an older one has been read,
    renamed to `STEP.damaged`, so that its step can be saved anew.

    Args:
      abstract_state: Shapes, types and shardings (`step.abstract_state`); the
        mesh may be another one than at the time of the save.

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
        self._set_aside(damaged)
        return (*restored, step)
      logging.warning(
        'Checkpoint %s is damaged and will not be used: %s', path, error
      )
      damaged.append(path)
    if damaged:
      raise CheckpointDamagedError(
        f'All checkpoints are damaged: {", ".join(map(str, damaged))}.'
      )
    return None

  @staticmethod
  def restore_params(path: str | os.PathLike, abstract_params: Any) -> Any:
    """Reads parameters and nothing else.

    Args:
      path: A checkpoint, or a MODEL_DIR, whose newest one is read.
      abstract_params: Shapes, types (cast to) and shardings of the parameters.

    Raises:
      FileNotFoundError: No checkpoint there.
      CheckpointMismatchError: Names or shapes differ; lists them.
      CheckpointDamagedError: The checkpoint cannot be read.
    """
    checkpoint = _find(_absolute(path))
    try:
      return _restore_item(checkpoint, 'params', abstract_params)
    except CheckpointMismatchError:
      raise
    except Exception as error:
      raise CheckpointDamagedError(
        f'The parameters of {checkpoint} cannot be read: {error}'
      ) from error

  @staticmethod
  def save_params(
    path: str | os.PathLike, params: Any, record: Mapping[str, Any]
  ) -> None:
    """Writes parameters and nothing else, in a folder of their own.

    `save` may copy the whole state at once, so that training goes on; here
    memory holds few copies at a time, whatever the size of the model.

    Args:
      path: The folder; other files may lie in it.
      params: The parameters.
      record: Anything JSON can hold; comes back from `read_record`.

    Raises:
      ValueError: There are parameters already.
    """
    path = _absolute(path)
    handler = ocp.PyTreeCheckpointHandler(
      save_device_host_concurrent_gb=_SAVE_GB
    )
    with contextlib.closing(ocp.Checkpointer(handler)) as writer:
      writer.save(
        path / 'params',
        args=ocp.args.PyTreeSave(
          params, ocdbt_target_data_file_size=_FILE_BYTES
        ),
      )
    prints = {'params': int(_digest_of_tree(params))}
    contents = {'digests': prints, 'record': dict(record)}
    with contextlib.closing(
      ocp.Checkpointer(ocp.JsonCheckpointHandler())
    ) as writer:
      writer.save(path / 'record', args=ocp.args.JsonSave(contents))

  @staticmethod
  def read_record(path: str | os.PathLike) -> dict[str, Any]:
    """Reads the record that was saved with a checkpoint; {} if none was.

    Args:
      path: A checkpoint, or a MODEL_DIR, whose newest one is meant.

    Raises:
      FileNotFoundError: No checkpoint there.
    """
    checkpoint = _find(_absolute(path))
    if not (checkpoint / 'record').exists():
      return {}
    return _read_record(checkpoint)['record']

  @staticmethod
  def best(model_dir: str | os.PathLike) -> str:
    """Returns the checkpoint with the highest score, the first of equals.

    Raises:
      FileNotFoundError: No checkpoint there has a score.
    """
    scores = {
      path: json.loads((path / _METRICS).read_text())[_SCORE]
      for path in Checkpointer.paths(model_dir)
      if (path / _METRICS).exists()
    }
    if not scores:
      raise FileNotFoundError(
        f'No checkpoint in {model_dir} has a score: train with KEEP_BEST.'
      )
    return str(max(scores, key=scores.get))

  @staticmethod
  def find(path: str | os.PathLike) -> tuple[str, int | None]:
    """Returns the checkpoint that a path means, and its step if it has one.

    Args:
      path: A checkpoint, or a MODEL_DIR, whose newest one is meant.

    Raises:
      FileNotFoundError: No checkpoint there.
    """
    found = _find(_absolute(path))
    return str(found), int(found.name) if found.name.isdecimal() else None

  @staticmethod
  def paths(model_dir: str | os.PathLike) -> list[epath.Path]:
    """Returns the complete checkpoints of a run, oldest first."""
    folder = _absolute(model_dir) / _FOLDER
    return [folder / str(step) for step in _steps(folder)]

  def steps(self) -> list[int]:
    """Steps of the complete checkpoints, oldest first."""
    return _steps(self._folder)

  def wait(self) -> None:
    """Returns once the checkpoint being written is complete.

    Raises:
      Exception: What went wrong while writing it.
    """
    self._manager.wait_until_finished()

  def close(self) -> None:
    """Waits as `wait` does and frees threads; nothing works afterwards."""
    self._manager.close()

  def _set_aside(self, damaged):
    if not damaged:
      return
    if jax.process_index() == 0:
      for path in damaged:
        aside = path.parent / (path.name + _DAMAGED)
        if aside.exists():
          aside.rmtree()
        path.rename(aside)
    multihost_utils.sync_global_devices('damaged checkpoints set aside')
    self._manager.reload()


def _absolute(path):
  return epath.Path(os.fspath(path)).expanduser().absolute()


def _steps(folder):
  """Steps of the complete checkpoints in a folder, oldest first."""
  if not folder.exists():
    return []
  return sorted(
    int(path.name)
    for path in folder.iterdir()
    if path.name.isdigit() and ocp.utils.is_checkpoint_finalized(path)
  )


def _find(path):
  """The checkpoint that a path means."""
  for folder in (path / _FOLDER, path):
    steps = _steps(folder)
    if steps:
      return folder / str(steps[-1])
  # Last: a run may have begun in a folder of imported parameters.
  if (path / 'params').exists():
    return path
  raise FileNotFoundError(f'There is no checkpoint in {path}.')


def _items(state):
  """A train state as the items of a checkpoint, all plain dictionaries."""
  rest = {name: value for name, value in state.items() if name != 'params'}
  return {
    'params': serialization.to_state_dict(state['params']),
    'training': serialization.to_state_dict(rest),
  }


def _try_restore(path, abstract_state):
  """Returns ((state, record), None), or (None, what is wrong)."""
  restored, error = None, None
  try:
    items = {
      name: _restore_item(path, name, item)
      for name, item in _items(abstract_state).items()
    }
    flat = {**items['training'], 'params': items['params']}
    state = serialization.from_state_dict(dict(abstract_state), flat)
    restored = state, _read_record(path)['record']
  except CheckpointMismatchError:
    raise
  # A broken file surfaces as whatever the layer that stumbles over it raises.
  except Exception as broken:
    error = broken
  if jax.process_count() > 1:
    intact = multihost_utils.process_allgather(np.array(restored is not None))
    if not intact.all():
      restored = None
      error = error or 'another process cannot read it'
  return restored, error


def _restore_item(checkpoint, item, abstract):
  """Reads one item after its names and shapes are found to fit."""
  folder = checkpoint / item
  with contextlib.closing(ocp.StandardCheckpointHandler()) as handler:
    stored = handler.metadata(folder).tree
    _check_shapes(checkpoint, stored, abstract)
    restored = handler.restore(folder, args=ocp.args.StandardRestore(abstract))
  if _types(stored) == _types(abstract) and (checkpoint / 'record').exists():
    written = _read_record(checkpoint)['digests'][item]
    if int(_digest_of_tree(restored)) != written:
      raise CheckpointDamagedError(f'{folder} is not as it was written.')
  return restored


def params_digest(params: Any) -> int:
  """Returns a number that changes with any bit of the parameters."""
  return int(_digest_of_tree(params))


def _read_record(checkpoint):
  with contextlib.closing(ocp.JsonCheckpointHandler()) as handler:
    return handler.restore(checkpoint / 'record', args=ocp.args.JsonRestore())


@jax.jit
def _digest_of_tree(tree):
  """A number that changes if a bit of any array does.

  Storage does not notice every flipped bit. Sums of integers do not depend on
  how the arrays are sharded.
  """
  total = jnp.uint32(0)
  for leaf in jax.tree.leaves(tree):
    # Odd factors, so that swapped arrays are noticed as well.
    total = total * 31 + _sum_of_bits(leaf)
  return total


def _sum_of_bits(array):
  if array.ndim > 2:
    # Layer by layer: on CPU the bits would be a copy of the whole stack.
    def add(total, part):
      return total + _sum_of_bits(part), None

    return jax.lax.scan(add, jnp.uint32(0), array)[0]
  unsigned = f'uint{8 * array.dtype.itemsize}'
  bits = jax.lax.bitcast_convert_type(array, unsigned)
  return jnp.sum(bits.astype(jnp.uint32), dtype=jnp.uint32)


def _types(tree):
  return [jnp.dtype(leaf.dtype) for leaf in jax.tree.leaves(tree)]


def _check_shapes(checkpoint, stored, wanted):
  """Raises CheckpointMismatchError unless names and shapes agree."""
  stored, wanted = _shapes(stored), _shapes(wanted)
  problems = []
  for name in sorted(stored.keys() | wanted.keys()):
    if name not in stored:
      problems.append(f'{name}: missing in the checkpoint')
    elif name not in wanted:
      problems.append(f'{name}: only in the checkpoint')
    elif stored[name] != wanted[name]:
      problems.append(
        f'{name}: {stored[name]} in the checkpoint, {wanted[name]} wanted'
      )
  if problems:
    listed = '\n  '.join(problems)
    raise CheckpointMismatchError(f'{checkpoint} does not fit:\n  {listed}')


def _shapes(tree):
  return {
    jax.tree_util.keystr(path, simple=True, separator='/'): tuple(leaf.shape)
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
  }


def check_vocabulary(
  vocabulary: Vocabulary, model: DecoderConfig, checkpoint: str | None = None
) -> None:
  """Checks that a vocabulary is the one of a model.

  Args:
    vocabulary: May have fewer ids than the embedding has rows.
    model: Shape of the decoder.
    checkpoint: The checkpoint that the parameters are read from, if any.

  Raises:
    ConfigError: the vocabulary has more ids than the embedding has rows, or the
      checkpoint was made with another one.
    FileNotFoundError: there is no such checkpoint.
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
