"""The metrics of a step, fetched while the next step runs."""

from collections.abc import Iterator, Mapping
import contextlib
import math
import time
from typing import Any

import jax

from flan_jax.errors import UserError
from flan_jax.training.metric_writer import Console, MetricWriter
from flan_jax.training.throughput import Throughput


class DivergedError(UserError):
  """A loss or norm that is not finite."""


def check_finite(step: int, metrics: Mapping[str, float]) -> None:
  """Raises DivergedError if a metric of a step is not finite."""
  bad = [f'{n}={v}' for n, v in metrics.items() if not math.isfinite(v)]
  if bad:
    raise DivergedError(
      f'training diverged at step {step} ({", ".join(bad)}): lower '
      'LEARNING_RATE or raise WARMUP_STEPS, and resume from the last checkpoint'
    )


class LaggedMetrics:
  """Holds the metrics of the newest step until the next one is running.

  The device then never waits for the host.
  """

  def __init__(
    self, writer: MetricWriter, console: Console, throughput: Throughput
  ):
    self.writer = writer
    self.console = console
    self._throughput = throughput
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
    """Fetches, checks (`check_finite`) and writes the pending metrics."""
    if self._pending is None:
      return
    step, metrics = self._pending
    self._pending = None
    values = {k: float(v) for k, v in jax.device_get(metrics).items()}
    check_finite(step, values)
    now = time.monotonic()
    values |= self._throughput.rates(values, now - self._clock)
    self._clock = now
    self.writer.write(step, 'train', values)
    self.console.step(values)
