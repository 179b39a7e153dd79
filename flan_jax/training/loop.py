"""The training loop: batches in, checkpoints and metrics out."""

from collections.abc import Callable, Mapping
import dataclasses
import time
from typing import Any

import jax

from flan_jax.batches.loader import BatchPlan, Loader, abstract_batch
from flan_jax.errors import ConfigError
from flan_jax.model.decoder_config import DecoderConfig
from flan_jax.runtime.paths import user_path
from flan_jax.setting_types import (
  Count,
  CountOrZero,
  NotNegative,
  Text,
  check_fields,
)
from flan_jax.sharding import rules
from flan_jax.training.checkpoint import Checkpointer
from flan_jax.training.metric_writer import Console, MetricWriter
from flan_jax.training.optimizer import OptimizerConfig, learning_rate
from flan_jax.training.profile import Profiler, ProfileWindow
from flan_jax.training.step_metrics import LaggedMetrics
from flan_jax.training.throughput import Throughput, batch_counts, device_peak


@dataclasses.dataclass(frozen=True)
class LoopConfig:
  """Length and periods of a run.

  Attributes:
    train_steps: Steps of the whole run; 30,000 in the paper.
    eval_period: Steps between evaluations on validation rows; 0 for none.
    checkpoint_period: Steps between checkpoints; the last step has one too.
    keep_checkpoints: Number of newest checkpoints to keep.
    keep_best: Validation metric whose best checkpoint is kept as well, such as
      'accuracy' or 'accuracy/rte'; None for none.
    microbatches: Parts in which a batch is computed, one after the other.
    z_loss: Coefficient of the z-loss, see `loss.cross_entropy`; 0 for none.
  """

  train_steps: Count = 30_000
  eval_period: CountOrZero = 1_000
  checkpoint_period: Count = 1_000
  keep_checkpoints: Count = 3
  keep_best: Text | None = None
  microbatches: Count = 1
  z_loss: NotNegative = 0.0

  def __post_init__(self):
    check_fields(self)
    if self.keep_best and (
      not self.eval_period or self.checkpoint_period % self.eval_period
    ):
      raise ConfigError(
        f'KEEP_BEST = {self.keep_best!r} needs validation rows scored before '
        f'every checkpoint: CHECKPOINT_PERIOD {self.checkpoint_period} is not '
        f'a multiple of EVAL_PERIOD {self.eval_period}'
      )


@dataclasses.dataclass(frozen=True)
class StepProgram:
  """The program of a step, and what its speed is measured against.

  Attributes:
    train_step: From `step.make_train_step`.
    batch_sharding: Sharding of a batch.
    model: Shape of the decoder; tells how many operations a token takes.
    optimizer: Tells the learning rate.
    published_flops: Published peak operations a second of one device, if any.
  """

  train_step: Any
  batch_sharding: jax.sharding.NamedSharding
  model: DecoderConfig
  optimizer: OptimizerConfig
  published_flops: float | None = None


# Parameters -> metrics on validation rows.
Validation = Callable[[Any], Mapping[str, float]]


class Loop:
  """Runs steps from a state to the end of the run."""

  def __init__(
    self,
    config: LoopConfig,
    plan: BatchPlan,
    program: StepProgram,
    checkpointer: Checkpointer,
    record: Mapping[str, Any],
    validation: Validation | None = None,
    profile: ProfileWindow | None = None,
  ):
    """Initializes the loop.

    Args:
      config: Periods.
      plan: Finds the batch of a step.
      program: The program of a step.
      checkpointer: Checkpointer of MODEL_DIR.
      record: Stored with every checkpoint, along with the window's start.
      validation: Scores validation rows; None for none.
      profile: Steps whose profile is written to MODEL_DIR/profile.
    """
    self._config = config
    self._plan = plan
    self._program = program
    self._checkpointer = checkpointer
    self._record = dict(record)
    self._validation = validation
    folder = user_path(checkpointer.model_dir) / 'profile'
    self._profiler = Profiler(profile, folder)

  def run(self, state: Any, writer: MetricWriter, console: Console) -> Any:
    """Trains to the last step and returns the state.

    The step is compiled while the first batches are read. Metrics of a step are
    fetched while the next one runs; before a checkpoint, at once.

    Raises:
      DivergedError: A loss or norm is not finite; nothing was saved since.
    """
    first, last = int(state['step']), self._config.train_steps
    if first >= last:
      return state
    model, sharding = self._program.model, self._program.batch_sharding
    # Before the loader starts, which would disturb the measurement.
    peak = device_peak(model.compute_dtype, self._program.published_flops)
    throughput = Throughput(model, sharding.mesh.size, peak)
    console.log(throughput.basis)
    loader = Loader(self._plan, first, sharding)
    lagged = LaggedMetrics(writer, console, throughput)
    try:
      train_step, count = self._compile(state, console)
      lagged.restart_clock()
      for step, batch in zip(range(first + 1, last + 1), loader, strict=False):
        if self._profiler.starts_at(step):
          with lagged.paused():
            self._profiler.start()
        with jax.profiler.StepTraceAnnotation('train', step_num=step):
          counts = count(batch)
          state, metrics = train_step(state, batch)
        rate = learning_rate(self._program.optimizer, step)
        lagged.push(step, {**counts, **metrics, 'learning_rate': rate})
        if self._profiler.stops_at(step):
          with lagged.paused():
            self._profiler.stop()
        values = self._validate(step, state, lagged)
        self._save(step, state, lagged, values)
    finally:
      self._profiler.stop()
      loader.close()
    self._checkpointer.wait()
    return state

  def _compile(self, state: Any, console: Console) -> tuple[Any, Any]:
    """Compiles the step, and the function that counts a batch's tokens."""
    began = time.monotonic()
    sharding = self._program.batch_sharding
    batch = abstract_batch(self._plan, sharding)
    whole = rules.replicated(sharding.mesh)
    count = jax.jit(batch_counts, out_shardings=whole)
    with console.doing('compiling'):
      train_step = self._program.train_step.lower(state, batch).compile()
      count = count.lower(batch).compile()
    console.log(f'compiled in {time.monotonic() - began:.1f} s')
    return train_step, count

  def _save(
    self,
    step: int,
    state: Any,
    lagged: LaggedMetrics,
    validation: Mapping[str, float],
  ) -> None:
    """Saves a checkpoint if one is due."""
    config = self._config
    if step % config.checkpoint_period and step < config.train_steps:
      return
    with lagged.paused(), lagged.console.doing('saving a checkpoint'):
      window = self._plan.windows.start_before(step)
      record = {**self._record, 'window': dataclasses.asdict(window)}
      score = validation.get(config.keep_best)
      self._checkpointer.save(step, state, record, score)
      lagged.writer.flush()

  def _validate(
    self, step: int, state: Any, lagged: LaggedMetrics
  ) -> Mapping[str, float]:
    """Scores validation rows if that is due, and returns the metrics."""
    period = self._config.eval_period
    if not self._validation or period <= 0 or step % period:
      return {}
    with lagged.paused(), lagged.console.doing('scoring validation rows'):
      values = self._validation(state['params'])
      lagged.writer.write(step, 'validation', values)
      # Values of single subsets (accuracy/rte) go to the files only.
      shown = [f'{k} {v:.4g}' for k, v in values.items() if '/' not in k]
      lagged.console.log(f'step {step}: validation {", ".join(shown)}')
    return values
