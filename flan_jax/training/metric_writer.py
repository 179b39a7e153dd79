"""Where training metrics go: JSON Lines, TensorBoard and the console."""

from collections.abc import Mapping
import json
import os
import pathlib

import tensorboardX
import tqdm

METRICS = 'metrics.jsonl'
# How the console calls the metrics of which a step has one.
_SHARES = {'mfu': 'MFU', 'matmul_share': 'matmul share'}


class MetricWriter:
  """Appends metrics of steps to MODEL_DIR/metrics.jsonl and TensorBoard."""

  def __init__(
    self,
    model_dir: str | os.PathLike,
    first_step: int,
    enabled: bool = True,
  ):
    """Opens the files, cut back to what happened before `first_step`.

    A run that is resumed repeats the steps after its last checkpoint; their
    first metrics would otherwise stand there twice.

    Args:
      model_dir: Folder of the run.
      first_step: The step that training starts from.
      enabled: Whether anything is written (on one process only).
    """
    self._enabled = enabled
    if not enabled:
      return
    path = pathlib.Path(model_dir) / METRICS
    path.parent.mkdir(parents=True, exist_ok=True)
    _cut_back(path, first_step)
    self._file = open(path, 'a', encoding='utf-8')
    self._board = tensorboardX.SummaryWriter(
      str(path.parent / 'tensorboard'), purge_step=first_step + 1
    )

  def write(self, step: int, kind: str, values: Mapping[str, float]) -> None:
    """Writes metrics of the state after `step` steps.

    Args:
      step: Steps taken.
      kind: `train` or `validation`.
      values: Name -> number.
    """
    if not self._enabled:
      return
    record = {'step': step, 'kind': kind, **values}
    self._file.write(json.dumps(record) + '\n')
    self._file.flush()
    for name, value in values.items():
      self._board.add_scalar(f'{kind}/{name}', value, step)

  def close(self) -> None:
    """Closes the files."""
    if not self._enabled:
      return
    self._file.close()
    self._board.close()


def _cut_back(path: pathlib.Path, first_step: int) -> None:
  """Drops the lines after `first_step`, and a last line half written."""
  if not path.exists():
    return
  kept = []
  for line in path.read_text(encoding='utf-8').splitlines():
    try:
      record = json.loads(line)
    except json.JSONDecodeError:
      continue
    if record['step'] <= first_step:
      kept.append(line + '\n')
  temporary = path.with_name(f'.{path.name}.writing')
  temporary.write_text(''.join(kept), encoding='utf-8')
  os.replace(temporary, path)


class Console:
  """A progress bar with step, loss, rates and time left."""

  def __init__(self, first: int, last: int, enabled: bool = True):
    """Starts the bar.

    Args:
      first: Steps taken already.
      last: Steps of the whole run.
      enabled: Whether anything is shown (on one process only).
    """
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
    """Advances by one step.

    Args:
      values: Metrics of the step: loss, tokens_per_second, and mfu or
        matmul_share.
    """
    shown = [
      f'loss {values["loss"]:.3f}',
      f'{values["tokens_per_second"]:,.0f} tokens/s',
      *(
        f'{label} {100 * values[name]:.1f} %'
        for name, label in _SHARES.items()
        if name in values
      ),
    ]
    self._bar.set_postfix_str(', '.join(shown), refresh=False)
    self._bar.update()

  def say(self, line: str) -> None:
    """Prints a line above the bar."""
    if not self._bar.disable:
      self._bar.write(line)

  def close(self) -> None:
    """Leaves the bar as it is."""
    self._bar.close()
