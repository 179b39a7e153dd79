"""A training run: its data, model and checkpoints."""

from collections.abc import Mapping
import contextlib
import dataclasses
import os
import re
from typing import Any
import uuid

from etils import epath
import jax

from flan_jax.batches.loader import BatchPlan
from flan_jax.batches.sampler import Sampler
from flan_jax.batches.training_splits import training_splits
from flan_jax.batches.window import WindowStart
from flan_jax.cache.framing import Framing
from flan_jax.definitions import registry
from flan_jax.errors import ConfigError, nearest
from flan_jax.evaluation.aggregation import tracked_values
from flan_jax.evaluation.evaluator import Evaluation
from flan_jax.evaluation.mixture_evaluation import MixtureEvaluation
from flan_jax.evaluation.validation import make_validation
from flan_jax.model import init_params
from flan_jax.planning.chips import chip_of_kind
from flan_jax.runs import config_record, run_data
from flan_jax.runs.checked_settings import CheckedSettings
from flan_jax.runs.checkpoint_paths import accept_newest
from flan_jax.runtime import processes
from flan_jax.runtime.folder_lock import FolderLock
from flan_jax.runtime.paths import user_path, write_whole
from flan_jax.setting_types import CountOrZero, check
from flan_jax.sharding import batch_sharding
from flan_jax.terminal.screen import note
from flan_jax.training.averaging import averaged_params
from flan_jax.training.checkpoint import Checkpointer
from flan_jax.training.checkpoint_record import check_adapters
from flan_jax.training.local_snapshots import LocalSnapshots
from flan_jax.training.loop import Loop, StepProgram
from flan_jax.training.metric_writer import Console, MetricWriter
from flan_jax.training.optimizer import (
  check_recorded,
  make_optimizer,
  recorded,
)
from flan_jax.training.step import (
  TrainState,
  abstract_state,
  init_state,
  make_train_step,
)
from flan_jax.training.trackers import EVAL

# Names the run in LOCAL_CHECKPOINT_DIR.
_RUN_ID = 'run_id'


class TrainingRun:
  """A run whose data is open. Nothing is compiled before `resume_or_start`.

  It holds MODEL_DIR in its context.
  """

  _checkpointer_class = Checkpointer

  @classmethod
  def prepare(cls, checked: CheckedSettings) -> 'TrainingRun':
    """Makes missing caches and opens all data; the context takes MODEL_DIR.

    Raises:
      UserError: The data is not there.
    """
    store = checked.workspace.store
    processes.first_then_others(lambda: store.ensure(checked.keys))
    return cls(checked)

  def __init__(self, checked: CheckedSettings):
    self._checked = checked
    self._settings = settings = checked.settings
    self._mesh = checked.workspace.mesh
    store, seed = checked.workspace.store, settings.setup.seed
    self._splits = training_splits(
      store, checked.trained, seed, settings.permute_targets
    )
    self._open()
    initial, evaluation = checked.initial_checkpoint, self._evaluation
    checked.workspace.check_same(
      self._splits,
      () if evaluation is None else evaluation.parts,
      () if initial is None else [initial],
    )
    self._check_best()
    self._optimizer = make_optimizer(settings.optimizer)
    self._base: Evaluation | None = None
    self._state: TrainState | None = None
    self._skipped = 0
    self._writer: MetricWriter | None = None

  @classmethod
  def check(cls, checked: CheckedSettings) -> None:
    """Checks what a run would refuse before its first step, for --dry_run.

    Reads no arrays, compiles nothing and takes nothing. Caches that are still
    to be made cannot be checked.

    Raises:
      UserError: The run would raise it.
    """
    settings, workspace = checked.settings, checked.workspace
    missing = workspace.store.missing(checked.keys)
    workspace.store.check_data(missing)
    optimizer = make_optimizer(settings.optimizer)
    abstract_state(settings.setup.model, optimizer, workspace.mesh)
    accept = workspace.expected.check if missing else cls(checked)._accept
    resumes = accept_newest(settings.model_dir, accept)
    if not resumes and checked.initial_checkpoint is not None:
      workspace.check_checkpoint(checked.initial_checkpoint, starts=True)

  def __enter__(self) -> 'TrainingRun':
    """Takes MODEL_DIR; raises UserError if another run writes to it."""
    settings = self._settings
    with contextlib.ExitStack() as opened:
      self._lock = FolderLock(settings.model_dir)
      opened.callback(self._lock.release)
      processes.only_first(self._lock.take)
      self._checkpointer = self._checkpointer_class(
        settings.model_dir,
        keep=settings.loop.keep_checkpoints,
        best=settings.loop.keep_best is not None,
      )
      opened.push(self._close_checkpointer)
      self._local = self._open_local()
      if self._local is not None:
        opened.callback(self._local.close)
      self._opened = opened.pop_all()
    return self

  def __exit__(self, *error) -> None:
    """Finishes the save in flight, and gives MODEL_DIR back."""
    self._opened.__exit__(*error)

  def _open_local(self) -> LocalSnapshots | None:
    """Opens LOCAL_CHECKPOINT_DIR, by an id that is new with MODEL_DIR."""
    folder = self._settings.local_checkpoint_dir
    if folder is None:
      return None
    path = user_path(self._settings.model_dir) / _RUN_ID
    run_id = _run_id(path) if processes.is_first() else None
    return LocalSnapshots(folder, processes.from_first(run_id))

  def _close_checkpointer(self, kind, error, traceback) -> None:
    try:
      self._checkpointer.close()
    except Exception as later:
      if error is None:
        raise
      # The first error counts; this one may only follow from it.
      note(f'the checkpoint being written is lost: {later}')

  def _open(self) -> None:
    """Sets the batch plan and what is evaluated."""
    checked, store = self._checked, self._checked.workspace.store
    self._plan = self._batch_plan(store.framing)
    self._evaluation = self._open_evaluation()
    self._validation = None
    if checked.settings.loop.eval_period > 0:
      self._validation = make_validation(
        store,
        checked.validated,
        self._splits,
        checked.workspace.models,
        checked.settings.evaluation.validation_rows,
        checked.settings.setup.seed,
        checked.settings.setup.exemplars,
      )

  def _batch_plan(self, framing: Framing) -> BatchPlan:
    settings = self._settings
    sampler = Sampler(self._splits, framing, settings.setup.seed)
    return BatchPlan(sampler, settings.packing)

  def _open_evaluation(self) -> MixtureEvaluation | None:
    checked = self._checked
    return checked.evaluated and checked.workspace.evaluation(
      checked.evaluated,
      checked.settings.evaluation.eval_config,
      checked.contaminated,
    )

  def _check_best(self) -> None:
    best = self._settings.loop.keep_best
    names = () if self._validation is None else self._validation.names
    if best is not None and best not in names:
      raise ConfigError(
        f'KEEP_BEST is {best!r}, but the validation rows give no such metric'
        f'{nearest(best, names)}'
      )

  def resume_or_start(self) -> None:
    """Evaluates initial parameters if asked; restores or makes the state.

    Raises:
      UserError: The checkpoint is of other data or of another model.
    """
    settings = self._settings
    if settings.evaluation.base and self._evaluation is not None:
      # Before the results of another run are written over.
      processes.only_first(
        lambda: accept_newest(settings.model_dir, self._accept)
      )
      self._base = self._evaluate_base()
    restored = self._restore()
    self._state = self._resume(*restored) if restored else self._start()
    taken = int(self._state['step'])
    if self._checked.profile is not None:
      self._checked.profile.check(taken, settings.loop.train_steps)
    run_data.log(self._plan, self._splits, settings, taken)
    if processes.is_first():
      config_record.write(settings.model_dir, resumed=taken > 0)
      vocabulary = self._checked.workspace.models.vocabulary
      run_data.write(self._plan, settings, vocabulary)

  def _restore(self) -> tuple[TrainState, dict[str, Any], int] | None:
    """Reads the newest state of the run, which may be on the local disks."""
    abstract = abstract_state(
      self._settings.setup.model, self._optimizer, self._mesh
    )
    if self._local is not None:
      newest = max(processes.from_first(self._checkpointer.steps()), default=0)
      copied = self._local.restore_newer(abstract, newest, self._accept)
      if copied is not None:
        processes.log(f'reading the copy of step {copied[2]} on local disks')
        return copied
    return self._checkpointer.restore_latest(abstract, self._accept)

  def _evaluate_base(self) -> Evaluation:
    return self._run_base(self._evaluation, self._initial_params())

  def _run_base(self, evaluation: MixtureEvaluation, params: Any) -> Evaluation:
    checked = self._checked
    breaches = checked.history.breaches([checked.evaluated])
    about = {'step': 0, 'run_not_held_out': breaches}
    folder = self._folder('eval_base')
    return evaluation.run(params, folder, about, checked.initial_history)

  def _folder(self, name: str) -> str:
    return os.path.join(self._settings.model_dir, name)

  def _start(self) -> TrainState:
    checkpoint = self._checked.initial_checkpoint
    if checkpoint is not None:
      processes.log(f'starting from the parameters of {checkpoint}')
    setup, params = self._settings.setup, self._initial_params()
    return init_state(
      setup.model, self._optimizer, setup.seed, self._mesh, params
    )

  def _initial_params(self) -> Any:
    checkpoint, setup = self._checked.initial_checkpoint, self._settings.setup
    if checkpoint is None:
      return init_params(setup.model, setup.seed, self._mesh)
    self._checked.workspace.check_checkpoint(checkpoint, starts=True)
    return self._checked.workspace.restore(checkpoint)

  def _resume(
    self, state: TrainState, record: Mapping[str, Any], step: int
  ) -> TrainState:
    self._follow(record)
    if self._checked.initial_checkpoint is not None:
      processes.log(
        'INITIAL_CHECKPOINT_PATH is not used, because MODEL_DIR has checkpoints'
      )
    processes.log(f'resuming from step {step} of {self._settings.model_dir}')
    return state

  def _follow(self, record: Mapping[str, Any]) -> None:
    """Continues the order of examples that a checkpoint records."""
    start = WindowStart.recorded(record, self._settings.model_dir)
    self._plan.windows.start_at(start)
    self._skipped = record.get('skipped', 0)

  def _accept(self, record: Mapping[str, Any], path: Any) -> None:
    """Raises ConfigError if this run cannot go on from a checkpoint."""
    self._checked.workspace.expected.check(record, path)
    check_adapters(record, self._settings.setup.model, path)
    check_recorded(self._settings.optimizer, record, path)
    WindowStart.recorded(record, path)
    check(f'{path}: skipped', CountOrZero, record.get('skipped', 0))
    model_dir, digest = self._settings.model_dir, self._plan.data_order_digest
    recorded = record.get('data_order_digest')
    if recorded != digest:
      raise ConfigError(
        f'{model_dir} was trained with other data, rates, seed, batch shape or '
        f'PERMUTE_TARGETS (data_order_digest {recorded}, now '
        f'{digest}): use the same settings, or another MODEL_DIR'
      )

  def train(self) -> None:
    """Trains to the last step, see `Loop.run`."""
    settings, model = self._settings, self._settings.setup.model
    taken, shows = int(self._state['step']), processes.is_first()
    about = dataclasses.asdict(settings)
    # It is open until the run ends, because evaluation writes to it, too.
    self._writer = MetricWriter(
      settings.model_dir, taken, shows, self._checked.trackers, about
    )
    self._opened.callback(self._writer.close)
    if self._base is not None and not taken:
      self._track(0, self._base)
    train_step = make_train_step(
      model,
      self._optimizer,
      self._mesh,
      settings.loop.microbatches,
      settings.loop.z_loss,
      settings.optimizer.frozen,
      settings.loop.skip_nonfinite > 0,
    )
    chip = chip_of_kind(jax.local_devices()[0].device_kind)
    published = chip and chip.device_flops(model.compute_dtype)
    loop = Loop(
      settings.loop,
      self._plan,
      StepProgram(
        train_step,
        batch_sharding(self._mesh),
        model,
        settings.optimizer,
        published,
      ),
      self._checkpointer,
      self._record(),
      self._validation and self._validate,
      self._checked.profile,
      self._local,
    )
    console = Console(taken, settings.loop.train_steps, shows)
    # A failed run leaves no bar on the screen.
    with contextlib.closing(console):
      self._state = loop.run(
        self._state, self._writer, console, self._lock.check
      )
    self._writer.flush()

  def _track(self, step: int, evaluation: Evaluation) -> None:
    self._writer.write(step, EVAL, tracked_values(evaluation.results))
    self._writer.flush()

  def _validate(self, state: TrainState) -> Mapping[str, float]:
    return self._validation(self._evaluated_params(state))

  def _evaluated_params(self, state: TrainState) -> Any:
    """Returns the parameters that are scored, see `RunSetup.use_ema`."""
    averaged = self._settings.setup.use_ema
    return averaged_params(state) if averaged else state['params']

  def _record(self) -> dict[str, Any]:
    setup = self._settings.setup
    return {
      'data_order_digest': self._plan.data_order_digest,
      'model': dataclasses.asdict(setup.model),
      'seed': setup.seed,
      'permute_targets': self._settings.permute_targets,
      'optimizer': recorded(self._settings.optimizer),
      'skipped': self._skipped,
      'template_set': registry.template_set(),
      'vocabulary': self._checked.workspace.models.vocabulary.record(),
      'prompt_format': setup.cache_config.prompt_format,
      'trained_on': self._checked.history.as_json(),
    }

  def evaluate(self) -> None:
    """Evaluates the trained parameters, and compares them with the initial."""
    if self._evaluation is None:
      return
    # A prompt may be that of an earlier step.
    folder, last = self._folder('eval'), int(self._state['step'])
    params, step = self._trained()
    history = self._checked.history
    tuned = self._evaluation.run(params, folder, {'step': step}, history)
    self._track(last, tuned)
    if self._base is not None:
      self._evaluation.print_comparison(self._base, tuned, folder)

  def _trained(self) -> tuple[Any, int]:
    """Returns the parameters to evaluate, and their step."""
    return self._evaluated_params(self._state), int(self._state['step'])


def _run_id(path: epath.Path) -> str:
  """Returns the id of a run, a new one if it has none that can be read."""
  found = path.read_bytes().decode(errors='replace') if path.exists() else ''
  if re.fullmatch('[0-9a-f]{32}', found.strip()):
    return found.strip()
  if found:
    note(f'{path} is damaged: copies on local disks are not read')
  made = uuid.uuid4().hex
  write_whole(path, made)
  return made
