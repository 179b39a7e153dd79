"""Trackers: where the metrics of a run go."""

from collections.abc import Callable, Mapping, Sequence
import contextlib
import hashlib
import importlib.metadata
import io
import json
import logging
import os
import sys
from types import ModuleType
from typing import Any, Protocol
import uuid

from etils import epath

from flan_jax.errors import ConfigError, nearest
from flan_jax.runtime import recorded_files
from flan_jax.runtime.json_text import read_text
from flan_jax.runtime.paths import is_local, user_path, write_whole

METRICS = 'metrics.jsonl'
# The kind of metrics of an evaluation by itself.
EVAL = 'eval'
_WANDB_ID = 'wandb_id'


class Tracker(Protocol):
  """Receives the metrics of a run, step by step."""

  def write(self, step: int, kind: str, values: Mapping[str, float]) -> None:
    """Takes the metrics of a step.

    Args:
      step: The step, from 1; 0 for the initial parameters.
      kind: `train`, `validation`, or `eval` for an evaluation by itself.
      values: The metrics by name.
    """

  def flush(self) -> None:
    """Keeps all metrics so far, whatever happens to the process."""

  def close(self) -> None:
    """Ends the run's part of the tracker."""


class JsonLines:
  """Writes MODEL_DIR/metrics.jsonl.

  Buckets cannot append to a file. There, `flush` rewrites it.
  """

  def __init__(self, folder: epath.Path, first_step: int, about: Any):
    """Opens the file, without the metrics of steps that will be repeated."""
    del about  # `config.gin` has it.
    self._folder, self._path = folder, folder / METRICS
    damage = recorded_files.problem(folder, METRICS)
    if damage and first_step:
      logging.warning(
        '%s %s: going on with the lines that can be read', self._path, damage
      )
    text = _text_until(self._path, first_step)
    self._size, self._digest = 0, hashlib.sha256()
    self._count(text)
    recorded_files.write(folder, {METRICS: text})
    if is_local(self._path):
      self._file = self._path.open('a')
    else:
      self._file = io.StringIO(text)
      self._file.seek(0, io.SEEK_END)

  def write(self, step: int, kind: str, values: Mapping[str, float]) -> None:
    line = json.dumps({'step': step, 'kind': kind, **values}) + '\n'
    self._count(line)
    self._file.write(line)
    self._file.flush()

  def _count(self, text: str) -> None:
    data = text.encode()
    self._size += len(data)
    self._digest.update(data)

  def flush(self) -> None:
    if isinstance(self._file, io.StringIO):
      write_whole(self._path, self._file.getvalue())
    written = self._size, self._digest.hexdigest()
    recorded_files.record(self._folder, {METRICS: written})

  def close(self) -> None:
    self.flush()
    self._file.close()


class TensorBoard:
  """Writes events for TensorBoard to MODEL_DIR/tensorboard."""

  def __init__(self, folder: epath.Path, first_step: int, about: Any):
    """Opens a file; TensorBoard drops earlier events of repeated steps."""
    del about  # `config.gin` has it.
    self._board = _tensorboardx().SummaryWriter(
      str(folder / 'tensorboard'),
      purge_step=first_step + 1,
      # Names contain the second; a run resumed at once would be overwritten.
      filename_suffix=f'.{first_step:09d}',
    )

  def write(self, step: int, kind: str, values: Mapping[str, float]) -> None:
    for name, value in values.items():
      self._board.add_scalar(f'{kind}/{name}', value, step)

  def flush(self) -> None:
    self._board.flush()

  def close(self) -> None:
    self._board.close()


class Wandb:
  """Logs to Weights & Biases; a resumed run has the id in MODEL_DIR/wandb_id.

  Without WANDB_MODE it is offline: files in MODEL_DIR/wandb, which `wandb sync`
  uploads. WANDB_PROJECT and other variables of wandb's have their usual
  meaning.
  """

  def __init__(
    self, folder: epath.Path, first_step: int, about: Mapping[str, Any]
  ):
    """Starts or continues the run; `about` becomes its configuration.

    Raises:
      ConfigError: wandb cannot start the run, such as without a login.
    """
    del first_step  # wandb drops steps that it has; repeated ones are equal.
    import wandb

    path = folder / _WANDB_ID
    if not path.exists() or not read_text(path, ConfigError).strip():
      write_whole(path, uuid.uuid4().hex[:8])
    try:
      self._run = wandb.init(
        id=read_text(path, ConfigError).strip(),
        resume='allow',
        # wandb writes to local disks only; elsewhere it takes its own default.
        dir=os.fspath(folder) if is_local(folder) else None,
        mode=None if os.environ.get('WANDB_MODE') else 'offline',
        config=dict(about),
        # The bar and the tables are not for its log, nor its notes for ours.
        settings=wandb.Settings(console='off', silent=True),
      )
    except wandb.errors.Error as error:
      raise ConfigError(f'TRACKERS has wandb, which fails: {error}') from error

  def write(self, step: int, kind: str, values: Mapping[str, float]) -> None:
    named = {f'{kind}/{name}': value for name, value in values.items()}
    self._run.log(named, step=step)

  def flush(self) -> None:
    """Does nothing: a process of wandb's own writes what it was given."""

  def close(self) -> None:
    self._run.finish()


# (folder, steps done, settings of the run) -> tracker.
_Opener = Callable[[epath.Path, int, Mapping[str, Any]], Tracker]
_OPENERS: dict[str, _Opener] = {
  'jsonl': JsonLines,
  'tensorboard': TensorBoard,
  'wandb': Wandb,
}
# Tracker -> the extra, and package, that it needs.
_EXTRAS = {'wandb': 'wandb'}


def check_trackers(names: Sequence[str]) -> tuple[str, ...]:
  """Returns the trackers of TRACKERS; 'jsonl', the first, is always there.

  >>> check_trackers(['tensorboard']), check_trackers('jsonl')
  (('jsonl', 'tensorboard'), ('jsonl',))

  Raises:
    ConfigError: There is no such tracker, or its package is missing.
  """
  if isinstance(names, str):
    names = (names,)
  if not isinstance(names, tuple | list):
    raise ConfigError(
      f'TRACKERS is {names!r}; it must be a list of {", ".join(_OPENERS)}'
    )
  for name in names:
    if name not in _OPENERS:
      hint = nearest(str(name), _OPENERS)
      raise ConfigError(
        f'TRACKERS has {name!r}; the trackers are {", ".join(_OPENERS)}{hint}'
      )
    if name in _EXTRAS and not _installed(_EXTRAS[name]):
      raise ConfigError(
        f'TRACKERS has {name!r}, whose package is not installed: '
        f"pip install 'flan_jax[{_EXTRAS[name]}]'"
      )
  return tuple(dict.fromkeys(('jsonl', *names)))


def _installed(package: str) -> bool:
  # A folder `wandb`, which wandb makes where it runs, can be imported too.
  try:
    importlib.metadata.version(package)
  except importlib.metadata.PackageNotFoundError:
    return False
  return True


def open_trackers(
  names: Sequence[str],
  model_dir: str | os.PathLike,
  first_step: int,
  about: Mapping[str, Any],
) -> list[Tracker]:
  """Opens trackers that `check_trackers` returned.

  Args:
    names: The trackers.
    model_dir: Folder of the run.
    first_step: Number of steps done; metrics of later ones are dropped.
    about: Settings of the run, which trackers may show.
  """
  folder = user_path(model_dir)
  folder.mkdir(parents=True, exist_ok=True)
  with contextlib.ExitStack() as stack:
    opened = []
    for name in names:
      opened.append(_OPENERS[name](folder, first_step, about))
      stack.callback(opened[-1].close)
    stack.pop_all()
  return opened


def _text_until(path: epath.Path, first_step: int) -> str:
  """Returns the lines up to `first_step`, without those that are damaged.

  A run evaluates after its last step, so that it does it again if it goes on
  from that step. A kill may cut the last line short. Others are reported.
  """
  kept, damaged = [], 0
  lines = path.read_bytes().splitlines() if path.exists() else []
  for number, line in enumerate(lines, 1):
    try:
      found = json.loads(line)
      again = found.get('kind') == EVAL
      early = found['step'] + again <= first_step
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
      damaged += number < len(lines)
      continue
    if early:
      kept.append(line.decode() + '\n')
  if damaged:
    logging.warning('%d damaged lines of %s are left out', damaged, path)
  return ''.join(kept)


def _tensorboardx() -> ModuleType:
  """Imports tensorboardX without PyTorch, which takes seconds.

  tensorboardX imports PyTorch where it is installed, and needs it for tensors
  only.
  """
  hidden = 'torch' not in sys.modules
  if hidden:
    sys.modules['torch'] = None
  try:
    import tensorboardX
  finally:
    if hidden:
      del sys.modules['torch']
  return tensorboardX
