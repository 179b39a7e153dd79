"""Writes training metrics to JSON Lines, TensorBoard and the console."""

from collections.abc import Mapping
import io
import json
import os

from etils import epath
import tensorboardX
import tqdm

from flan_jax.runtime.paths import is_local, user_path, write_whole

METRICS = 'metrics.jsonl'
# A step has one of these.
_SHARES = {'mfu': 'MFU', 'matmul_share': 'matmul share'}


class MetricWriter:
  """Writes metrics of steps to MODEL_DIR/metrics.jsonl and for TensorBoard.

  Buckets cannot append to a file. There, `flush` rewrites it.
  """

  def __init__(
    self, model_dir: str | os.PathLike, first_step: int, enabled: bool = True
  ):
    """Opens the files, without the metrics of steps that will be repeated.

    Args:
      model_dir: Folder of the run.
      first_step: Number of steps done when training starts.
      enabled: Whether to write; True on one process only.
    """
    self._enabled = enabled
    if not enabled:
      return
    self._path = user_path(model_dir) / METRICS
    self._path.parent.mkdir(parents=True, exist_ok=True)
    text = _text_until(self._path, first_step)
    write_whole(self._path, text)
    if is_local(self._path):
      self._file = self._path.open('a')
    else:
      self._file = io.StringIO(text)
      self._file.seek(0, io.SEEK_END)
    self._board = tensorboardX.SummaryWriter(
      str(self._path.parent / 'tensorboard'), purge_step=first_step + 1
    )

  def write(self, step: int, kind: str, values: Mapping[str, float]) -> None:
    """Writes the metrics of a step, from 1; kind is `train` or `validation`."""
    if not self._enabled:
      return
    record = {'step': step, 'kind': kind, **values}
    self._file.write(json.dumps(record) + '\n')
    self._file.flush()
    for name, value in values.items():
      self._board.add_scalar(f'{kind}/{name}', value, step)

  def flush(self) -> None:
    """Makes sure that the file holds all metrics so far."""
    if self._enabled and isinstance(self._file, io.StringIO):
      write_whole(self._path, self._file.getvalue())

  def close(self) -> None:
    """Closes the files."""
    if self._enabled:
      self.flush()
      self._file.close()
      self._board.close()


def _text_until(path: epath.Path, first_step: int) -> str:
  """Returns the lines up to `first_step`, without an incomplete last line."""
  kept = []
  for line in path.read_text().splitlines() if path.exists() else ():
    try:
      record = json.loads(line)
    except json.JSONDecodeError:
      continue
    if record['step'] <= first_step:
      kept.append(line + '\n')
  return ''.join(kept)


class Console:
  """A progress bar with step, loss, rates and time left."""

  def __init__(self, first: int, last: int, enabled: bool = True):
    """Starts the bar after `first` of `last` steps."""
    self._bar = tqdm.tqdm(
      total=last,
      initial=first,
      unit='step',
      dynamic_ncols=True,
      disable=not enabled,
      bar_format=(
        'step {n_fmt}/{total_fmt} |{bar}| {postfix} {elapsed} < {remaining}'
      ),
    )

  def step(self, values: Mapping[str, float]) -> None:
    """Advances by one step and shows its metrics."""
    shown = [
      f'loss {values["loss"]:.3f}',
      f'{values["tokens_per_second"]:,.0f} tokens/s',
    ]
    for name, label in _SHARES.items():
      if name in values:
        shown.append(f'{label} {100 * values[name]:.1f} %')
    self._bar.set_postfix_str(', '.join(shown), refresh=False)
    self._bar.update()

  def log(self, line: str) -> None:
    """Prints a line above the bar."""
    if not self._bar.disable:
      self._bar.write(line)

  def close(self) -> None:
    """Stops the bar and leaves it on the screen."""
    self._bar.close()
