"""The metrics of a step, fetched while the next step runs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
import contextlib
import math
import time
from typing import Any

import jax

from flan_jax.errors import UserError
from flan_jax.runtime import peers
from flan_jax.runtime.watchdog import waiting_for
from flan_jax.training.metric_writer import Console, MetricWriter
from flan_jax.training.throughput import Goodput, Throughput

# Steps without any gradient until a run counts as dead. One may happen.
_DEAD_STEPS = 3
# Rows of a part named in an error.
_MOST_ROWS = 8


class DivergedError(UserError):
  """A loss or norm that is not finite, or a gradient that is always zero."""


# Step, from 1 -> part -> ids of the rows that it trains on.
RowsOf = Callable[[int], Mapping[str, Sequence[str]]]


class Health:
  """Checks that training still learns."""

  def __init__(self, rows_of: RowsOf, most_skipped: int = 0, skipped: int = 0):
    """Initializes the check.

    Args:
      rows_of: Finds the rows of a step, for errors.
      most_skipped: Number of steps that may be skipped, see `LoopConfig`.
      skipped: Number of those skipped before.
    """
    self._rows_of = rows_of
    self._most_skipped = most_skipped
    self.skipped = skipped
    self._dead = 0

  def check(self, step: int, metrics: Mapping[str, float]) -> dict[str, float]:
    """Returns the metrics of a step that are finite.

    Raises:
      DivergedError: One is not, and no more steps may be skipped; or the
        gradient was zero in several steps.
    """
    finite = {n: v for n, v in metrics.items() if math.isfinite(v)}
    if metrics.get('skipped'):
      self.skipped += 1
    if len(finite) < len(metrics):
      if not metrics.get('skipped') or self.skipped > self._most_skipped:
        raise self._diverged(step, metrics)
      return finite
    dead = metrics['gradient_norm'] == 0 and metrics['target_tokens'] > 0
    self._dead = self._dead + 1 if dead else 0
    if self._dead >= _DEAD_STEPS:
      raise DivergedError(
        f'the gradient is exactly zero since step {step - _DEAD_STEPS + 1} '
        f'({self._rows(step - _DEAD_STEPS + 1)}), so nothing is learned: lower '
        'LEARNING_RATE, and resume from a checkpoint before it or start in '
        'another MODEL_DIR'
      )
    return finite

  def _diverged(self, step: int, metrics: Mapping[str, float]) -> DivergedError:
    bad = [f'{n}={v}' for n, v in metrics.items() if not math.isfinite(v)]
    skipped = ''
    if self._most_skipped:
      skipped = f', with SKIP_NONFINITE={self._most_skipped} used up'
    return DivergedError(
      f'training diverged at step {step} ({", ".join(bad)}){skipped}, on '
      f'{self._rows(step)}: lower LEARNING_RATE or raise WARMUP_STEPS, and '
      'resume from the last checkpoint'
    )

  def _rows(self, step: int) -> str:
    return 'rows of ' + '; '.join(
      f'{part}: {", ".join(ids[:_MOST_ROWS])}'
      + (f' and {len(ids) - _MOST_ROWS} more' if len(ids) > _MOST_ROWS else '')
      for part, ids in self._rows_of(step).items()
    )


class LaggedMetrics:
  """Holds the metrics of the newest step until the next one is running.

  The device then never waits for the host.
  """

  def __init__(
    self,
    writer: MetricWriter,
    console: Console,
    throughput: Throughput,
    health: Health,
  ):
    self.writer = writer
    self.console = console
    self.health = health
    self._throughput = throughput
    self._goodput = Goodput(peers.current())
    self._pending: tuple[int, Any] | None = None
    self.restart_clock()

  def restart_clock(self) -> None:
    """Excludes the time since the last step from the rates."""
    self._clock = time.monotonic()

  @contextlib.contextmanager
  def paused(self) -> Iterator[None]:
    """Waits for the last step; time in this context does not count."""
    self.flush()
    yield
    self.restart_clock()

  def push(self, step: int, metrics: Any) -> None:
    self.flush()
    self._pending = (step, metrics)

  def flush(self) -> None:
    """Fetches, checks (`Health`) and writes the pending metrics."""
    if self._pending is None:
      return
    step, metrics = self._pending
    self._pending = None
    with waiting_for(f'step {step}'):
      values = {k: float(v) for k, v in jax.device_get(metrics).items()}
    values = self.health.check(step, values)
    now = time.monotonic()
    seconds, self._clock = now - self._clock, now
    values |= self._throughput.rates(values, seconds)
    values |= self._goodput.after(seconds)
    self.writer.write(step, 'train', values)
    self.console.step(values)
