"""Progress: a bar on a terminal that vanishes, lines now and then elsewhere."""

from collections.abc import Callable
import contextlib
import sys
import time
from typing import Self

from rich.filesize import decimal
from rich.progress import BarColumn, Progress, ProgressColumn, Task
from rich.table import Column
from rich.text import Text

from flan_jax.terminal.screen import (
  above,
  console_for,
  is_terminal,
  note,
  show,
)

# Seconds between lines where standard error is not a terminal.
_PERIOD = 30
# Redraws a second. More would take time from what is measured.
_REDRAWS = 4
# Narrower terminals show no rate.
_NARROW = 60
_BYTES = 'byte'


class Bar:
  """Shows on standard error how far something is, how fast, how long it takes.

  It is a context manager. Lines that are printed meanwhile stay above it.
  """

  def __init__(
    self,
    label: str = '',
    total: int | None = None,
    unit: str = 'step',
    done: int = 0,
    enabled: bool = True,
    keeps: bool = False,
  ):
    """Initializes the bar; `start` shows it.

    Args:
      label: What is done.
      total: Number of units; None if it is not known.
      unit: What is counted, in the singular.
      done: Number of units that were done before.
      enabled: Whether anything is shown.
      keeps: Whether a terminal keeps the last state, as a line.
    """
    self.label, self.total, self.done = label, total, done
    self.notes: tuple[str, ...] = ()
    self._unit, self._enabled, self._keeps = unit, enabled, keeps
    self._progress: Progress | None = None
    self._shown = contextlib.ExitStack()
    self._began = self._printed = time.monotonic()
    # When the first units were done, and how many: compiling before them and
    # answers found on disk say nothing about the rate.
    self._first: tuple[float, int] | None = None
    self._updated = self._began
    # Number of the last line.
    self._last = done

  def __enter__(self) -> Self:
    return self.start()

  def __exit__(self, *_) -> None:
    self.close()

  def start(self) -> Self:
    """Shows the bar."""
    self._began = self._printed = time.monotonic()
    if not self._enabled or not is_terminal(sys.stderr):
      return self
    console = console_for(sys.stderr)
    self._progress = Progress(
      _Part(lambda: self.label, shrinks=True),
      _Part(self._amount, 'bold'),
      BarColumn(_width(console.width)),
      _Part(lambda: self._middle(console.width), 'cyan'),
      _Part(self._left, 'dim'),
      console=console,
      transient=True,
      refresh_per_second=_REDRAWS,
      # Otherwise what is printed to a file would go to the terminal.
      redirect_stdout=is_terminal(sys.stdout),
    )
    self._progress.add_task('', total=self.total, completed=self.done)
    self._shown.enter_context(self._progress)
    self._shown.enter_context(above(console))
    return self

  def close(self) -> None:
    """Removes the bar; elsewhere, prints how far it came."""
    vanished = self._progress is not None
    self._shown.close()
    self._progress = None
    if self.done != self._last and (self._keeps or not vanished):
      self._print()
    self._enabled = False

  def update(self, count: int = 1) -> None:
    """Counts more units as done."""
    self.done += count
    self._updated = now = time.monotonic()
    if count:
      self._first = self._first or (now, self.done)
    self._refresh()
    if self._progress is None and now - self._printed >= _PERIOD:
      self._print()

  def describe(self, label: str) -> None:
    """Changes what is done."""
    self.label = label
    self._refresh()

  def note(self, *notes: str) -> None:
    """Shows these instead of the rate; the last ones only if they fit."""
    self.notes = notes
    self._refresh()

  def log(self, line: str) -> None:
    """Prints a line to standard output, above the bar."""
    if self._enabled:
      show([line])

  def _refresh(self) -> None:
    if self._progress is not None:
      self._progress.update(
        self._progress.task_ids[0], completed=self.done, total=self.total
      )

  def _print(self) -> None:
    if not self._enabled:
      return
    self._printed, self._last = time.monotonic(), self.done
    parts = [f'{self.label} {self._amount()}'.strip()]
    parts += self.notes or [self._rate()]
    parts.append(self._left())
    note(', '.join(filter(None, parts)))

  def _amount(self) -> str:
    if self._unit == _BYTES:
      sizes = [self.done] if self.total is None else [self.done, self.total]
      return ' of '.join(decimal(size) for size in sizes)
    if self.total is None:
      return str(self.done) if self.done else ''
    return f'{self.done}/{self.total}'

  def _speed(self) -> float | None:
    """Returns units a second from the first update to the last one."""
    if self._first is None:
      return None
    when, done = self._first
    seconds = self._updated - when
    return (self.done - done) / seconds if seconds > 0 else None

  def _rate(self) -> str:
    speed = self._speed()
    if not speed:
      return ''
    if self._unit == _BYTES:
      return f'{decimal(int(speed))}/s'
    if speed < 1:
      return f'{1 / speed:,.1f} s/{self._unit}'
    return f'{speed:,.1f} {self._unit}s/s'

  def _left(self) -> str:
    """Returns the time left, or what it took if that is not known."""
    speed = self._speed()
    if not speed or self.total is None or self.done >= self.total:
      return _clock(time.monotonic() - self._began)
    since = time.monotonic() - self._updated
    return f'{_clock(max((self.total - self.done) / speed - since, 0))} left'

  def _middle(self, width: int) -> str:
    """Returns the notes or the rate, as much as fits a terminal."""
    if width < _NARROW:
      return ''
    others = (self.label, self._amount(), self._left())
    room = width - sum(len(text) + 1 for text in others)
    room -= _width(width) + 1
    notes = list(self.notes or [self._rate()])
    while len(notes) > 1 and len(', '.join(notes)) > room:
      notes.pop()
    return ', '.join(notes)


class _Part(ProgressColumn):
  """A text of a bar, made anew whenever it is drawn."""

  def __init__(
    self, text: Callable[[], str], style: str = '', shrinks: bool = False
  ):
    # A column that may wrap is the one that is made narrower.
    super().__init__(Column(no_wrap=not shrinks))
    self._text, self._style = text, style

  def render(self, task: Task) -> Text:
    return Text(
      self._text(), style=self._style, no_wrap=True, overflow='ellipsis'
    )


def _width(terminal: int) -> int:
  """Returns the columns that the bar itself takes."""
  return max(6, min(40, terminal // 6))


def _clock(seconds: float) -> str:
  """Returns a duration.

  >>> _clock(3725.4), _clock(90_000)
  ('1:02:05', '25:00:00')
  """
  minutes, seconds = divmod(round(seconds), 60)
  return f'{minutes // 60}:{minutes % 60:02d}:{seconds:02d}'
