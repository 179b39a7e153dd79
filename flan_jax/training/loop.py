"""The training loop: batches in, checkpoints and metrics out."""

from collections.abc import Callable, Mapping
import dataclasses
import re
import time
from typing import Annotated, Any

import jax

from flan_jax.batches.loader import BatchPlan, Loader, abstract_batch
from flan_jax.errors import ConfigError
from flan_jax.model.decoder_config import DecoderConfig
from flan_jax.runtime import stop_signals
from flan_jax.runtime.paths import user_path
from flan_jax.runtime.watchdog import waiting_for
from flan_jax.setting_types import (
  Count,
  CountOrZero,
  NotNegative,
  Only,
  Text,
  check_fields,
)
from flan_jax.sharding import rules
from flan_jax.training.checkpoint import Checkpointer
from flan_jax.training.local_snapshots import LocalSnapshots
from flan_jax.training.metric_writer import Console, MetricWriter
from flan_jax.training.optimizer import OptimizerConfig, learning_rate
from flan_jax.training.preemption import Preemption
from flan_jax.training.profile import Profiler, ProfileWindow
from flan_jax.training.step_metrics import Health, LaggedMetrics
from flan_jax.training.throughput import Throughput, batch_counts, device_peak

_SECONDS = {'s': 1, 'min': 60, 'h': 3600}
_TIME = re.compile(rf'([0-9]+(?:\.[0-9]+)?) ?({"|".join(_SECONDS)})')


def seconds_of(time_text: str) -> float | None:
  """Returns the seconds of a time, such as '10 min'; None if it is no time."""
  found = _TIME.fullmatch(time_text)
  return float(found[1]) * _SECONDS[found[2]] if found else None


Time = Annotated[
  str,
  Only(
    "a time such as '10 min', '90 s' or '1.5 h'",
    lambda text: bool(seconds_of(text)),
  ),
]


@dataclasses.dataclass(frozen=True)
class LoopConfig:
  """Length and periods of a run.

  Attributes:
    train_steps: Steps of the whole run; 30,000 in the paper.
    eval_period: Steps between evaluations on validation rows; 0 for none.
    checkpoint_period: Steps between checkpoints, or the time, such as '10 min';
      the last step has one too.
    local_checkpoint_period: Steps between copies in LOCAL_CHECKPOINT_DIR.
    keep_checkpoints: Number of newest checkpoints to keep.
    keep_best: Validation metric whose best checkpoint is kept as well, such as
      'accuracy', 'accuracy/rte' or 'loss', whose lowest value is best; None for
      none.
    microbatches: Parts in which a batch is computed, one after the other.
    z_loss: Coefficient of the z-loss, see `loss.cross_entropy`; 0 for none.
    skip_nonfinite: Number of steps of the run that may be skipped because their
      loss or gradient is not finite. Until then, they change no parameter.
  """

  train_steps: Count = 30_000
  eval_period: CountOrZero = 1_000
  checkpoint_period: Count | Time = 1_000
  local_checkpoint_period: Count = 100
  keep_checkpoints: Count = 3
  keep_best: Text | None = None
  microbatches: Count = 1
  z_loss: NotNegative = 0.0
  skip_nonfinite: CountOrZero = 0

  def __post_init__(self):
    check_fields(self)
    if self.keep_best and (
      not self.eval_period
      or self.save_steps is None
      or self.save_steps % self.eval_period
    ):
      raise ConfigError(
        f'KEEP_BEST = {self.keep_best!r} needs validation rows scored before '
        f'every checkpoint: CHECKPOINT_PERIOD {self.checkpoint_period} is not '
        f'a multiple of EVAL_PERIOD {self.eval_period}'
      )

  @property
  def save_steps(self) -> int | None:
    """Steps between checkpoints; None if their period is a time."""
    return None if self.save_seconds else int(self.checkpoint_period)

  @property
  def save_seconds(self) -> float | None:
    """Seconds between checkpoints; None if their period is in steps."""
    period = self.checkpoint_period
    return seconds_of(period) if isinstance(period, str) else None


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


# Train state -> metrics on validation rows.
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
    local: LocalSnapshots | None = None,
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
      local: Keeps copies on the local disk between checkpoints; None for none.
    """
    self._local = local
    self._config = config
    self._plan = plan
    self._program = program
    self._checkpointer = checkpointer
    self._record = dict(record)
    self._validation = validation
    folder = user_path(checkpointer.model_dir) / 'profile'
    self._profiler = Profiler(profile, folder)

  def run(
    self,
    state: Any,
    writer: MetricWriter,
    console: Console,
    check: Callable[[], None] = lambda: None,
  ) -> Any:
    """Trains to the last step and returns the state.

    The step is compiled while the first batches are read. Metrics of a step are
    fetched while the next one runs; before a checkpoint, at once. A signal that
    asks to stop leaves a checkpoint of the step that runs.

    Args:
      state: The state to start from.
      writer: Writes metrics.
      console: Shows them.
      check: Called after each step; raises an error if the run must end.

    Raises:
      DivergedError: A loss or norm is not finite, or all gradients are zero;
        nothing was saved since.
      Stopped: A signal asked for it.
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
    lagged = LaggedMetrics(writer, console, throughput, self._health())
    try:
      programs = self._compile(state, console)
      with stop_signals.deferred() as requests:
        preemption = Preemption(requests, self._config.save_seconds, check)
        state = self._steps(state, programs, loader, lagged, preemption)
    finally:
      self._profiler.stop()
      loader.close()
    self._checkpointer.finish()
    return state

  def _health(self) -> Health:
    return Health(
      lambda step: self._plan.examples(step - 1),
      self._config.skip_nonfinite,
      self._record.get('skipped', 0),
    )

  def _steps(
    self,
    state: Any,
    programs: tuple[Any, Any],
    loader: Loader,
    lagged: LaggedMetrics,
    preemption: Preemption,
  ) -> Any:
    """Runs all steps, and returns the state after the last."""
    train_step, count = programs
    first, last = int(state['step']), self._config.train_steps
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
      self._checkpointer.check()
      decision = preemption.after(step)
      if decision.save or self._is_due(step):
        self._save(step, state, lagged, values)
        preemption.saved()
      elif self._local and step % self._config.local_checkpoint_period == 0:
        self._copy(step, state, lagged)
      if decision.stop:
        self._checkpointer.finish()
        decision.raise_stopped(step)
    # The last votes are counted a step later.
    preemption.after(last + 1).raise_stopped(last)
    return state

  def _is_due(self, step: int) -> bool:
    period = self._config.save_steps
    due = period is not None and step % period == 0
    return due or step == self._config.train_steps

  def _compile(self, state: Any, console: Console) -> tuple[Any, Any]:
    """Compiles the step, and the function that counts a batch's tokens."""
    began = time.monotonic()
    sharding = self._program.batch_sharding
    batch = abstract_batch(self._plan, sharding)
    whole = rules.replicated(sharding.mesh)
    window = self._program.model.window
    count = jax.jit(
      lambda batch: batch_counts(batch, window), out_shardings=whole
    )
    console.log('compiling the training step')
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
    """Saves a checkpoint."""
    with lagged.paused(), lagged.console.doing('saving a checkpoint'):
      record = self._record_after(step, lagged)
      score = self._score(validation)
      with waiting_for(f'the checkpoint before that of step {step}'):
        self._checkpointer.save(step, state, record, score)
      lagged.writer.flush()

  def _score(self, validation: Mapping[str, float]) -> float | None:
    """Returns what KEEP_BEST chooses by: the highest is best."""
    name = self._config.keep_best
    value = validation.get(name)
    lower = name is not None and name.partition('/')[0] == 'loss'
    return -value if lower and value is not None else value

  def _copy(self, step: int, state: Any, lagged: LaggedMetrics) -> None:
    """Copies the state to the local disk."""
    with lagged.paused(), lagged.console.doing('copying to the local disk'):
      self._local.save(step, state, self._record_after(step, lagged))
      lagged.writer.flush()

  def _record_after(self, step: int, lagged: LaggedMetrics) -> dict[str, Any]:
    """Returns what is stored with the state after a step."""
    window = self._plan.windows.start_before(step)
    return {
      **self._record,
      'window': dataclasses.asdict(window),
      'skipped': lagged.health.skipped,
    }

  def _validate(
    self, step: int, state: Any, lagged: LaggedMetrics
  ) -> Mapping[str, float]:
    """Scores validation rows if that is due, and returns the metrics."""
    period = self._config.eval_period
    if not self._validation or period <= 0 or step % period:
      return {}
    with lagged.paused(), lagged.console.doing('scoring validation rows'):
      values = self._validation(state)
      lagged.writer.write(step, 'validation', values)
      # Values of single subsets (accuracy/rte) go to the files only.
      shown = [f'{k} {v:.4g}' for k, v in values.items() if '/' not in k]
      lagged.console.log(f'step {step}: validation {", ".join(shown)}')
    return values
