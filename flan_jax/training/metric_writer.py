"""Writes training metrics to trackers and to the console."""

from collections.abc import Iterator, Mapping, Sequence
import contextlib
import os
from typing import Any

from flan_jax.terminal.bar import Bar
from flan_jax.training.trackers import open_trackers

# A step has one of these.
_SHARES = {'mfu': 'MFU', 'matmul_share': 'matmul share'}


class MetricWriter:
  """Writes the metrics of steps to trackers, on one process."""

  def __init__(
    self,
    model_dir: str | os.PathLike,
    first_step: int,
    enabled: bool = True,
    trackers: Sequence[str] = ('jsonl', 'tensorboard'),
    about: Mapping[str, Any] | None = None,
  ):
    """Opens the trackers, without the metrics of steps that will be repeated.

    Args:
      model_dir: Folder of the run.
      first_step: Number of steps done when training starts.
      enabled: Whether to write; True on one process only.
      trackers: From `trackers.check_trackers`.
      about: Settings of the run, which trackers may show.
    """
    self._trackers = []
    if enabled:
      self._trackers = open_trackers(
        trackers, model_dir, first_step, about or {}
      )

  def write(self, step: int, kind: str, values: Mapping[str, float]) -> None:
    """Writes metrics of a step, see `Tracker.write`."""
    for tracker in self._trackers:
      tracker.write(step, kind, values)

  def flush(self) -> None:
    """Makes sure that all metrics so far are kept."""
    for tracker in self._trackers:
      tracker.flush()

  def close(self) -> None:
    """Closes the trackers."""
    for tracker in self._trackers:
      tracker.close()


class Console:
  """A progress bar with step, loss, rates and time left."""

  def __init__(self, first: int, last: int, enabled: bool = True):
    """Shows the bar after `first` of `last` steps."""
    self._bar = Bar(
      'step', last, done=first, enabled=enabled, keeps=True
    ).start()

  def step(self, values: Mapping[str, float]) -> None:
    """Advances by one step and shows its metrics."""
    # A skipped step may have none.
    loss = f'loss {values["loss"]:.3f}' if 'loss' in values else 'skipped'
    shown = [loss, f'{values["tokens_per_second"]:,.0f} tokens/s']
    for name, label in _SHARES.items():
      if name in values:
        shown.append(f'{label} {100 * values[name]:.1f} %')
    self._bar.note(*shown)
    self._bar.update()

  @contextlib.contextmanager
  def doing(self, what: str) -> Iterator[None]:
    """Shows what is done in this context instead of a step."""
    before = self._bar.notes
    self._bar.note(what)
    yield
    self._bar.note(*before)

  def log(self, line: str) -> None:
    """Prints a line above the bar."""
    self._bar.log(line)

  def close(self) -> None:
    """Removes the bar; its last metrics stay as a line."""
    self._bar.close()
