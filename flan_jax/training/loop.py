"""The training loop: batches in, checkpoints and metrics out."""

from collections.abc import Callable, Mapping
import dataclasses
import os
import time
from typing import Any

import jax

from flan_jax.batches.loader import BatchPlan, Loader, abstract_batch
from flan_jax.model.decoder_config import DecoderConfig
from flan_jax.sharding import rules
from flan_jax.training.checkpoint import Checkpointer, check_finite
from flan_jax.training.metric_writer import Console, MetricWriter
from flan_jax.training.profile import Profiler, ProfileWindow
from flan_jax.training.throughput import (
  Throughput,
  batch_counts,
  device_peak,
)


@dataclasses.dataclass(frozen=True)
class LoopConfig:
  """How long, and how often what.

  Attributes:
    train_steps: Steps of the whole run; the paper trains 30,000.
    eval_period: Steps between evaluations on development rows; 0 for none.
    checkpoint_period: Steps between checkpoints; the last step has one too.
    keep_checkpoints: Newest checkpoints kept.
    keep_best: Metric on development rows by which the best checkpoint is kept
      as well, as 'accuracy' or 'accuracy/rte'; None keeps none.
    microbatches: Pieces that a batch is computed in, one after the other.
    z_loss: Coefficient of the z-loss, see `loss.cross_entropy`; 0 for none.
  """

  train_steps: int = 30_000
  eval_period: int = 1_000
  checkpoint_period: int = 1_000
  keep_checkpoints: int = 3
  keep_best: str | None = None
  microbatches: int = 1
  z_loss: float = 0.0

  def __post_init__(self):
    for name in ('train_steps', 'checkpoint_period', 'microbatches'):
      if getattr(self, name) < 1:
        raise ValueError(f'{name} must be at least 1')
    if self.keep_best and (
      not self.eval_period or self.checkpoint_period % self.eval_period
    ):
      raise ValueError(
        f'KEEP_BEST = {self.keep_best!r} needs development rows scored before '
        f'every checkpoint: CHECKPOINT_PERIOD {self.checkpoint_period} is no '
        f'multiple of EVAL_PERIOD {self.eval_period}'
      )


DevEvaluation = Callable[[Any], Mapping[str, float]]


class Loop:
  """Runs steps from a state to the end of the run."""

  def __init__(
    self,
    config: LoopConfig,
    plan: BatchPlan,
    train_step: Any,
    sharding: jax.sharding.NamedSharding,
    checkpointer: Checkpointer,
    record: Mapping[str, Any],
    model: DecoderConfig,
    evaluate_validation: DevEvaluation | None = None,
    profile: ProfileWindow | None = None,
  ):
    """Initializes the loop.

    Args:
      config: Periods.
      plan: Finds the batch of a step.
      train_step: Jitted, (state, batch) -> (state, metrics), see
        `step.make_train_step`.
      sharding: Of a batch.
      checkpointer: Of MODEL_DIR.
      record: Stored with every checkpoint; holds its data_order_digest.
      model: Tells how many operations a token takes.
      evaluate_validation: Parameters -> metrics on development rows.
      profile: Steps whose profile is written to MODEL_DIR/profile.
    """
    self._config = config
    self._plan = plan
    self._train_step = train_step
    self._sharding = sharding
    self._checkpointer = checkpointer
    self._record = dict(record)
    self._model = model
    self._evaluate_validation = evaluate_validation
    folder = os.path.join(checkpointer.model_dir, 'profile')
    self._profiler = Profiler(profile, folder)

  def run(self, state: Any, writer: MetricWriter, console: Console) -> Any:
    """Trains to the last step and returns the state.

    The step is compiled while the first batches are read. Metrics of a step
    are fetched when the next one runs already, so that the device never waits
    for the host; before a checkpoint they are fetched at once, and must be
    finite.

    Raises:
      FloatingPointError: loss or a norm is not finite; nothing was saved since.
    """
    first, last = int(state['step']), self._config.train_steps
    if first >= last:
      return state
    # Before the loader starts, which would disturb what may be measured.
    throughput = self._throughput()
    console.say(throughput.basis)
    loader = Loader(self._plan, first, self._sharding)
    lagged = _Lagged(writer, console, throughput)
    try:
      train_step, count = self._compile(state, console)
      lagged.restart_clock()
      for step, batch in zip(range(first + 1, last + 1), loader, strict=False):
        self._start_profile(step, lagged)
        with jax.profiler.StepTraceAnnotation('train', step_num=step):
          counts = count(batch)
          state, metrics = train_step(state, batch)
        lagged.push(step, {**counts, **metrics})
        self._stop_profile(step, lagged)
        values = self._report_validation(step, state, writer, console, lagged)
        self._save(step, state, lagged, values)
    finally:
      self._profiler.stop()
      loader.close()
    self._checkpointer.wait()
    return state

  def _throughput(self) -> Throughput:
    peak = device_peak(self._model.compute_dtype)
    return Throughput(self._model, self._sharding.mesh.size, peak)

  def _compile(self, state: Any, console: Console) -> tuple[Any, Any]:
    """Compiles the step, and what counts the tokens of a batch."""
    began = time.monotonic()
    batch = abstract_batch(self._plan, self._sharding)
    train_step = self._train_step.lower(state, batch).compile()
    whole = rules.replicated(self._sharding.mesh)
    count = jax.jit(batch_counts, out_shardings=whole).lower(batch).compile()
    console.say(f'compiled in {time.monotonic() - began:.1f} s')
    return train_step, count

  def _start_profile(self, step: int, lagged: '_Lagged') -> None:
    if self._profiler.starts_at(step):
      lagged.flush()  # The step before is not to run into the profile.
      self._profiler.start()
      lagged.restart_clock()

  def _stop_profile(self, step: int, lagged: '_Lagged') -> None:
    if self._profiler.stops_at(step):
      lagged.flush()  # The last step is to be over.
      self._profiler.stop()
      lagged.restart_clock()

  def _save(
    self,
    step: int,
    state: Any,
    lagged: '_Lagged',
    validation: Mapping[str, float],
  ) -> None:
    last = step == self._config.train_steps
    if last or self._due(step, self._config.checkpoint_period):
      lagged.flush()
      score = validation.get(self._config.keep_best)
      window = self._plan.windows.start_before(step)
      record = {**self._record, 'window': dataclasses.asdict(window)}
      self._checkpointer.save(step, state, record, score)
      lagged.restart_clock()

  def _due(self, step: int, period: int) -> bool:
    return period > 0 and step % period == 0

  def _report_validation(
    self, step, state, writer, console, lagged
  ) -> dict[str, float]:
    """Scores development rows where that is due, and returns the metrics."""
    if not self._evaluate_validation or not self._due(
      step, self._config.eval_period
    ):
      return {}
    lagged.flush()
    values = dict(self._evaluate_validation(state['params']))
    writer.write(step, 'validation', values)
    # Values of single parts (accuracy/rte) are for the files.
    shown = [f'{k} {v:.1f}' for k, v in values.items() if '/' not in k]
    console.say(f'step {step}: validation {", ".join(shown)}')
    lagged.restart_clock()
    return values


class _Lagged:
  """Holds the metrics of the newest step until the next one is running."""

  def __init__(
    self, writer: MetricWriter, console: Console, throughput: Throughput
  ):
    self._writer = writer
    self._console = console
    self._throughput = throughput
    self._pending: tuple[int, Any] | None = None
    self.restart_clock()

  def restart_clock(self) -> None:
    """Leaves out of the rates what was not training since the last step."""
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
    values |= self._throughput.rates(values, now - self._clock)
    self._clock = now
    self._writer.write(step, 'train', values)
    self._console.step(values)
