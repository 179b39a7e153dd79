"""The training loop: batches in, checkpoints and metrics out."""

from collections.abc import Callable, Mapping
import dataclasses
import time
from typing import Any

import jax

from flan_jax.data.loader import BatchPlan, Loader
from flan_jax.training.checkpoint import Checkpointer, check_finite
from flan_jax.training.metrics import Console, MetricWriter


@dataclasses.dataclass(frozen=True)
class LoopConfig:
  """How long, and how often what.

  Attributes:
    train_steps: Steps of the whole run; the paper trains 30,000.
    eval_period: Steps between evaluations on development rows; 0 for none.
    checkpoint_period: Steps between checkpoints; the last step has one too.
    keep_checkpoints: Newest checkpoints kept.
    microbatches: Pieces that a batch is computed in, one after the other.
  """

  train_steps: int = 30_000
  eval_period: int = 1_000
  checkpoint_period: int = 1_000
  keep_checkpoints: int = 3
  microbatches: int = 1

  def __post_init__(self):
    for name in ('train_steps', 'checkpoint_period', 'microbatches'):
      if getattr(self, name) < 1:
        raise ValueError(f'{name} must be at least 1')


DevEvaluation = Callable[[Any], Mapping[str, float]]


class Loop:
  """Runs steps from a state to the end of the run."""

  def __init__(
    self,
    config: LoopConfig,
    plan: BatchPlan,
    train_step: Callable,
    sharding: Any,
    checkpointer: Checkpointer,
    record: Mapping[str, Any],
    evaluate_dev: DevEvaluation | None = None,
  ):
    """Initializes the loop.

    Args:
      config: Periods.
      plan: Finds the batch of a step.
      train_step: (state, batch) -> (state, metrics).
      sharding: Of a batch.
      checkpointer: Of MODEL_DIR.
      record: Stored with every checkpoint; holds the contract of the data.
      evaluate_dev: Parameters -> metrics on development rows.
    """
    self._config = config
    self._plan = plan
    self._train_step = train_step
    self._sharding = sharding
    self._checkpointer = checkpointer
    self._record = dict(record)
    self._evaluate_dev = evaluate_dev

  def run(self, state: Any, writer: MetricWriter, console: Console) -> Any:
    """Trains to the last step and returns the state.

    Metrics of a step are fetched when the next one runs already, so that the
    device never waits for the host; before a checkpoint they are fetched at
    once, and must be finite.

    Raises:
      FloatingPointError: loss or a norm is not finite; nothing was saved since.
    """
    first, last = int(state['step']), self._config.train_steps
    if first >= last:
      return state
    loader = Loader(self._plan, first, self._sharding)
    lagged = _Lagged(writer, console)
    try:
      for step, batch in zip(range(first + 1, last + 1), loader, strict=False):
        state, metrics = self._train_step(state, batch)
        lagged.push(step, metrics)
        if self._due(step, self._config.checkpoint_period) or step == last:
          lagged.flush()
          self._checkpointer.save(step, state, self._record)
        if self._evaluate_dev and self._due(step, self._config.eval_period):
          lagged.flush()
          self._report_dev(step, state, writer, console)
          lagged.restart_clock()
    finally:
      loader.close()
    self._checkpointer.wait()
    return state

  def _due(self, step: int, period: int) -> bool:
    return period > 0 and step % period == 0

  def _report_dev(self, step, state, writer, console) -> None:
    values = dict(self._evaluate_dev(state['params']))
    writer.write(step, 'dev', values)
    # Values of single parts (accuracy/rte) are for the files.
    shown = [f'{k} {v:.1f}' for k, v in values.items() if '/' not in k]
    console.say(f'step {step}: dev {", ".join(shown)}')


class _Lagged:
  """Holds the metrics of the newest step until the next one is running."""

  def __init__(self, writer: MetricWriter, console: Console):
    self._writer = writer
    self._console = console
    self._pending: tuple[int, Any] | None = None
    self.restart_clock()

  def restart_clock(self) -> None:
    self._clock = time.monotonic()

  def push(self, step: int, metrics: Any) -> None:
    self.flush()
    self._pending = (step, metrics)

  def flush(self) -> None:
    """Fetches, checks and writes what is pending."""
    if self._pending is None:
      return
    step, metrics = self._pending
    self._pending = None
    values = {k: float(v) for k, v in jax.device_get(metrics).items()}
    check_finite(values)
    now = time.monotonic()
    values['tokens_per_second'] = values['tokens'] / (now - self._clock)
    self._clock = now
    self._writer.write(step, 'train', values)
    self._console.step(values['loss'], values['tokens_per_second'])
