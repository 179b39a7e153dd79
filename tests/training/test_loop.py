"""The loop compiles while it reads; pauses do not count in its rates."""

from collections.abc import Callable
import functools
import itertools
import json
import os
import shutil
import signal
import threading

import jax
import numpy as np
import pytest

from flan_jax import sharding
from flan_jax.batches import sampler as sampler_lib
from flan_jax.batches import window
from flan_jax.batches.loader import BatchPlan, PackingConfig
from flan_jax.batches.sampler import Sampler
from flan_jax.batches.window import WindowStart
from flan_jax.cache.cached_split import CachedSplit
from flan_jax.cache.framing import Framing
from flan_jax.errors import ConfigError
from flan_jax.model import DecoderConfig
from flan_jax.runtime import stop_signals
from flan_jax.runtime.stop_signals import Stopped
from flan_jax.testing.cached_splits import write_cached_split
from flan_jax.training import step_metrics
from flan_jax.training.checkpoint import Checkpointer
from flan_jax.training.loop import Loop, LoopConfig, StepProgram
from flan_jax.training.metric_writer import Console, MetricWriter
from flan_jax.training.optimizer import OptimizerConfig, make_optimizer
from flan_jax.training.profile import ProfileWindow
from flan_jax.training.step import abstract_state, init_state, make_train_step

CONFIG = DecoderConfig(
  vocab_size=4096,
  num_layers=1,
  d_model=16,
  d_ff=16,
  num_heads=2,
  num_kv_heads=2,
  head_dim=8,
  position='rope',
)
STEPS = 6


@pytest.fixture(scope='module')
def split(tmp_path_factory) -> CachedSplit:
  number = np.arange(300)
  return write_cached_split(
    tmp_path_factory.mktemp('cache') / 'split',
    'part',
    inputs=4 + number % 20,
    targets=1 + number % 3,
    lengths={'inputs': 32, 'targets': 8},
  )


def _plan(split) -> BatchPlan:
  framing = Framing(start=(), separator=(1,), end=(1,), between=(1,))
  packing = PackingConfig(batch_rows=4, pack_length=64)
  return BatchPlan(Sampler([split], framing, 0, rates=[20]), packing)


@pytest.fixture(scope='module')
def plan(split) -> BatchPlan:
  return _plan(split)


@pytest.fixture(scope='module')
def mesh():
  return sharding.make_mesh(
    sharding.MeshConfig(data=2, fsdp=2), jax.devices()[:4]
  )


@pytest.fixture(scope='module')
def train_step(mesh):
  return make_train_step(CONFIG, make_optimizer(OptimizerConfig()), mesh)


class _Run:
  """Trains in its own folder."""

  def __init__(self, folder, plan, mesh):
    self.folder, self._plan, self._mesh = folder, plan, mesh

  def __call__(
    self, train_step, period: int | str = 2, skip: int = 0, **more
  ) -> list[dict]:
    """Trains, and returns the metrics of the training steps."""
    check = more.pop('check', lambda: None)
    config = LoopConfig(
      STEPS, eval_period=3, checkpoint_period=period, skip_nonfinite=skip
    )
    state, checkpointer = self.state(), None
    taken = int(state['step'])
    writer, console = MetricWriter(self.folder, taken), Console(taken, STEPS)
    try:
      checkpointer = Checkpointer(self.folder)
      Loop(
        config,
        self._plan,
        StepProgram(
          train_step,
          sharding.batch_sharding(self._mesh),
          CONFIG,
          OptimizerConfig(),
        ),
        checkpointer,
        {},
        **more,
      ).run(state, writer, console, check)
    finally:
      checkpointer.close()
      writer.close()
      console.close()
    lines = (self.folder / 'metrics.jsonl').read_text().splitlines()
    records = map(json.loads, lines)
    return [record for record in records if record['kind'] == 'train']

  def state(self):
    return init_state(CONFIG, make_optimizer(OptimizerConfig()), 0, self._mesh)


@pytest.fixture
def run(tmp_path, plan, mesh) -> _Run:
  return _Run(tmp_path / 'run', plan, mesh)


class _Step:
  """A jitted step with hooks before it is lowered or called."""

  def __init__(self, step, on_lower=None, on_call=None):
    self._step, self._on_lower, self._on_call = step, on_lower, on_call

  def lower(self, *arguments):
    if self._on_lower:
      self._on_lower()
    lowered = self._step.lower(*arguments)
    return _Step(lowered, on_call=self._on_call) if self._on_call else lowered

  def compile(self):
    compiled, before = self._step.compile(), self._on_call

    def call(*arguments):
      before()
      return compiled(*arguments)

    return call


@pytest.mark.slow
def test_rates_and_compile_time_are_logged(run, plan, train_step, capsys):
  records = run(train_step)
  printed = ''.join(capsys.readouterr())
  assert 'compiled in' in printed
  assert 'matmul_share is a share of' in printed
  assert [record['step'] for record in records] == list(range(1, STEPS + 1))
  for step, record in enumerate(records):
    batch = plan.batch(step)
    real, positions = batch['segments'] > 0, batch['positions']
    assert record['places'] == real.size
    assert record['tokens'] == real.sum()
    assert record['examples'] == np.sum(real & (positions == 0))
    assert record['visible_pairs'] == np.sum((positions + 1)[real])
    rate = OptimizerConfig().learning_rate
    assert record['learning_rate'] == pytest.approx(rate)
    for name in ('tokens', 'places', 'examples'):
      # All rates refer to the same duration.
      ratio = record[f'{name}_per_second'] / record['tokens_per_second']
      assert ratio == pytest.approx(record[name] / record['tokens'])
    assert record['model_tflops_per_device'] > 0
    assert record['matmul_share'] > 0 and 'mfu' not in record
    assert np.isfinite(list(record.values())[2:]).all()


@pytest.mark.slow
def test_batches_are_read_while_the_step_is_compiled(run, plan, train_step):
  read = threading.Event()
  batch_of = plan.batch

  def noticed(*arguments):
    batch = batch_of(*arguments)
    read.set()
    return batch

  def wait():
    assert read.wait(60), 'no batch was read before the step was compiled'

  plan.batch = noticed
  try:
    assert len(run(_Step(train_step, on_lower=wait))) == STEPS
  finally:
    del plan.batch


@pytest.mark.slow
def test_pauses_are_not_counted_as_training(run, train_step, monkeypatch):
  # The clock advances by 1 when the metrics of a step are fetched, and by 1,000
  # in everything else.
  now = 0.0

  def pass_time(seconds):
    nonlocal now
    now += seconds

  def slowed(function):
    @functools.wraps(function)
    def call(*arguments, **more):
      pass_time(1000)
      return function(*arguments, **more)

    return call

  monkeypatch.setattr(step_metrics.time, 'monotonic', lambda: now)
  checked = step_metrics.Health.check

  def check(*arguments):
    pass_time(1)
    return checked(*arguments)

  monkeypatch.setattr(step_metrics.Health, 'check', check)
  monkeypatch.setattr(Checkpointer, 'save', slowed(Checkpointer.save))
  for name in ('start_trace', 'stop_trace'):
    function = slowed(getattr(jax.profiler, name))
    monkeypatch.setattr(jax.profiler, name, function)
  evaluated = []

  def validation(params):
    pass_time(1000)
    evaluated.append(params)
    return {'accuracy': 50.0}

  records = run(
    _Step(train_step, on_lower=lambda: pass_time(1000)),
    validation=validation,
    profile=ProfileWindow(4, 5),
  )
  assert len(evaluated) == STEPS // 3
  seconds = [r['tokens'] / r['tokens_per_second'] for r in records]
  assert seconds == pytest.approx([1] * STEPS)


@pytest.mark.slow
def test_steps_of_the_window_are_profiled(run, train_step):
  run(train_step, profile=ProfileWindow(2, 3))
  [profile] = (run.folder / 'profile').rglob('*.xplane.pb')
  data = profile.read_bytes()
  # Viewers need the annotations to tell steps apart.
  assert b'train' in data and b'step_num' in data


@pytest.mark.slow
def test_failing_step_ends_profile_and_loader(run, train_step):
  def fail():
    raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    step = _Step(train_step, on_call=fail)
    run(step, profile=ProfileWindow(1, 3))
  assert list((run.folder / 'profile').rglob('*.xplane.pb'))
  names = [thread.name for thread in threading.enumerate()]
  assert not [name for name in names if name.startswith('loader')]


def _at_call(number: int, function) -> Callable[[], None]:
  """Returns a function that calls another, the n-th time only."""
  calls = itertools.count(1)
  return lambda: function() if next(calls) == number else None


@pytest.mark.slow_but_first
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_a_checkpoint_of_the_step_that_runs(
  run, train_step, number
):
  def send():
    os.kill(os.getpid(), number)
    # A second one would end the process.
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL

  before = signal.getsignal(number)
  try:
    with stop_signals.handled(), pytest.raises(Stopped) as stopped:
      run(_Step(train_step, on_call=_at_call(3, send)), period=5)
  finally:
    assert signal.getsignal(number) == before
  assert 'after step 3, which is saved' in str(stopped.value)
  assert stopped.value.received == number
  assert Checkpointer(run.folder).steps() == [3]


@pytest.mark.slow
def test_checkpoints_may_follow_the_clock(run, train_step):
  run(train_step, period='0.0001 s')
  assert Checkpointer(run.folder).steps() == [4, 5, 6]


@pytest.mark.parametrize('period', ['10 minutes', '0 s', '-1 s', '', 'x', 0])
def test_a_period_is_of_steps_or_a_time(period):
  with pytest.raises(ConfigError, match='checkpoint_period is '):
    LoopConfig(8, eval_period=0, checkpoint_period=period)


def test_what_ends_the_run_at_once_is_checked_after_each_step(run, train_step):
  class LostError(Exception):
    pass

  def lost():
    raise LostError

  with pytest.raises(LostError):
    run(train_step, check=lost)
  assert not Checkpointer(run.folder).steps()


def test_an_error_in_the_loader_ends_the_run(
  run, plan, train_step, monkeypatch
):
  # Also one of the thread that plans windows.
  plan.windows._plans.clear()
  monkeypatch.setattr(window, 'plan_window', lambda *_: 1 // 0)
  with pytest.raises(ZeroDivisionError):
    run(train_step)
  plan.windows._plans.clear()


@pytest.mark.slow
def test_run_resumed_in_a_later_window_equals_an_uninterrupted_one(
  tmp_path, split, mesh, train_step, monkeypatch
):
  # Windows of 20 examples take one or two steps each.
  monkeypatch.setattr(sampler_lib, 'WINDOW_DRAWS', 20)
  whole_plan = _plan(split)
  whole = _Run(tmp_path / 'whole', whole_plan, mesh)
  metrics = whole(train_step)
  assert whole_plan.windows.start_before(STEPS).window >= 2
  # The other run continues from the checkpoint of step 4.
  abstract = abstract_state(CONFIG, make_optimizer(OptimizerConfig()), mesh)
  shutil.copytree(whole.folder, tmp_path / 'broken')
  shutil.rmtree(tmp_path / f'broken/checkpoints/{STEPS}')
  checkpointer = Checkpointer(tmp_path / 'broken')
  state, record, step = checkpointer.restore_latest(abstract)
  checkpointer.close()
  assert step == 4 and record['window']['window'] >= 1
  resumed_plan = _plan(split)
  resumed_plan.windows.start_at(WindowStart(**record['window']))
  broken = _Run(tmp_path / 'broken', resumed_plan, mesh)
  broken.state = lambda: state
  for resumed, unbroken in zip(broken(train_step), metrics, strict=True):
    for name in ('step', 'loss', 'tokens', 'gradient_norm', 'parameter_norm'):
      assert resumed[name] == unbroken[name]


@pytest.mark.parametrize('eval_period', [0, 3])
def test_the_best_checkpoint_needs_a_score_for_each(eval_period):
  match = 'CHECKPOINT_PERIOD 4 is not a multiple'
  with pytest.raises(ConfigError, match=match):
    LoopConfig(
      8, eval_period=eval_period, checkpoint_period=4, keep_best='accuracy'
    )
