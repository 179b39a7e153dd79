"""Runs the cells of a study, one after the other, in this process."""

from collections.abc import Callable, Iterator, Mapping, Sequence
import contextlib
import dataclasses
from typing import Any

import gin

from flan_jax import config as config_lib
from flan_jax.cache.store import split_keys
from flan_jax.definitions import names, template_set
from flan_jax.definitions.held_out import History
from flan_jax.errors import ConfigError, UserError
from flan_jax.evaluation.contaminated import Contaminated
from flan_jax.flags import Arguments
from flan_jax.model import init_params
from flan_jax.runs.adapter_run import run_class
from flan_jax.runs.checked_settings import CheckedSettings
from flan_jax.runs.run_setup import RunSetup, Workspace
from flan_jax.runs.study_prompt import PromptCell
from flan_jax.runs.train_settings import TrainSettings
from flan_jax.runs.training_history import history_of
from flan_jax.runtime.folder_lock import held
from flan_jax.studies.archive import EVALUATIONS, RUNS, Archive, Finished
from flan_jax.studies.cell_digest import (
  Decides,
  asked,
  data_of,
  decided,
  members_of,
)
from flan_jax.studies.collect import CellResult
from flan_jax.studies.design import Cell, CellEvaluation, CellPrompt
from flan_jax.training.checkpoint import Checkpointer

# Given to gin where a cell has no training mixture.
_NO_MIXTURE = 'none'


@gin.configurable(module='flan_jax')
def study_cell(settings: TrainSettings) -> TrainSettings:
  """Returns the settings of a cell, as gin makes them."""
  return settings


class CellRunner:
  """Makes what the cells of a study need, and finds what is finished."""

  def __init__(self, arguments: Arguments, archive: Archive):
    """Initializes the runner.

    Args:
      arguments: The gin files and flags of the study.
      archive: Where results are.
    """
    self._arguments = arguments
    self._archive = archive
    self._workspaces: dict[str, Workspace] = {}

  def settings(
    self, cell: Cell, more: Mapping[str, Any] | None = None
  ) -> tuple[TrainSettings, Arguments]:
    """Returns the settings of a cell, and the arguments that give them.

    Args:
      cell: The cell.
      more: Macros of an evaluation, which override those of the cell.

    Raises:
      UserError: A setting cannot work; names the cell.
    """
    values = {
      'MIXTURE_OR_TASK_NAME': cell.train or _NO_MIXTURE,
      'EVAL_MIXTURE': None,
      'VALIDATION_MIXTURE': None,
      'EVAL_BASE': False,
      'EVAL_PERIOD': 0,
      'SEED': cell.seed,
      'MODEL_DIR': str(self._archive.folder),
      **cell.settings,
      **(more or {}),
    }
    arguments = dataclasses.replace(
      self._arguments,
      gin_files=(*self._arguments.gin_files, *cell.gin_files),
      bindings=(
        *self._arguments.bindings,
        *(f'{name} = {value!r}' for name, value in values.items()),
      ),
      template_set=cell.template_set or self._arguments.template_set,
    )
    gin.clear_config()
    with _naming(cell):
      config_lib.parse(arguments, 'study_cell')
      return study_cell(), arguments

  def cache(self, cells: Sequence[Cell]) -> None:
    """Makes all missing caches, by one child process per kind of cache."""
    kinds: dict[str, tuple[Workspace, Arguments, dict, dict]] = {}
    for cell in cells:
      for evaluation in (None, *cell.evaluations):
        settings, arguments = self.settings(
          cell, evaluation and evaluation.settings
        )
        setup = settings.setup
        kind = repr([setup.cache_config, setup.vocabulary, cell.template_set])
        if kind not in kinds:
          with _naming(cell):
            kinds[kind] = self._open(setup), arguments, {}, {}
        _, _, trained, evaluated = kinds[kind]
        if evaluation is not None:
          evaluated[evaluation.mixture] = None
        else:
          tasks = [task for prompts in cell.prompts for task in prompts.tasks]
          trained |= dict.fromkeys([cell.train] * bool(cell.train) + tasks)
    for workspace, arguments, trained, evaluated in kinds.values():
      # `cache` reads these macros; the last binding decides.
      binding = [
        f'MIXTURE_OR_TASK_NAME = {[*trained, *evaluated]!r}',
        'EVAL_MIXTURE = None',
        'cache.eval_period = None',  # Cells share a cache.
      ]
      arguments = dataclasses.replace(
        arguments, bindings=(*arguments.bindings, *binding)
      )
      with template_set.applied(arguments.template_set):
        keys = split_keys(map(names.resolve, trained))
        keys += split_keys(map(names.resolve, evaluated), training=False)
        store = dataclasses.replace(workspace.store, flags=arguments.flags())
        store.ensure(list(dict.fromkeys(keys)))

  def run(self, cell: Cell, log: Callable[[str], None]) -> None:
    """Makes what is missing of a cell: its model, then its evaluations.

    What was interrupted is continued.
    """
    with _naming(cell):
      made = self.find_run(cell)
      if cell.train and made is None:
        log('training')
        made = self._train(cell)
      for evaluation in cell.evaluations:
        if self.find_evaluation(cell, evaluation, made) is None:
          log(evaluation.label)
          self._evaluate(cell, evaluation, made)
      for prompts, task in _tasks(cell):
        prompt = self._prompt(cell, prompts, task, made)
        if prompt.find(self._archive) is None:
          log(f'{prompts.label}, prompt of {task}')
          prompt.run(self._archive)

  def result(self, cell: Cell) -> CellResult:
    """Returns what is finished of a cell."""
    with _naming(cell):
      made = self.find_run(cell)
      return CellResult(
        cell,
        made,
        [(e, self.find_evaluation(cell, e, made)) for e in cell.evaluations],
        [(*p, self._find_prompt(cell, *p, made)) for p in _tasks(cell)],
      )

  def _prompt(
    self, cell: Cell, prompts: CellPrompt, task: str, made: Finished | None
  ) -> PromptCell:
    settings, arguments = self.settings(cell)
    initial = settings.setup.locate(settings.initial_checkpoint)
    base = str(made.folder) if made else initial
    return PromptCell(arguments, task, prompts.settings, base)

  def _find_prompt(
    self, cell: Cell, prompts: CellPrompt, task: str, made: Finished | None
  ) -> Finished | None:
    if cell.train and made is None:
      return None
    return self._prompt(cell, prompts, task, made).find(self._archive)

  def find_run(self, cell: Cell) -> Finished | None:
    """Returns the finished run of a cell, None if it is not finished."""
    if cell.train is None:
      return None
    return self._archive.find(RUNS, self._decides_run(cell)[0])

  def find_evaluation(
    self, cell: Cell, evaluation: CellEvaluation, made: Finished | None
  ) -> Finished | None:
    """Returns a finished evaluation of a cell, None if it is not finished."""
    if cell.train and made is None:
      return None
    with template_set.applied(cell.template_set):
      decides, _ = self._decides_evaluation(cell, evaluation, made)
    return self._archive.find(EVALUATIONS, decides)

  def _decides_run(self, cell: Cell) -> tuple[Decides, CheckedSettings]:
    settings, _ = self.settings(cell)
    workspace = self._open(settings.setup)
    checked = CheckedSettings.check(settings, workspace=workspace)
    plan, store = checked.trained, checked.workspace.store
    keys = split_keys([plan])
    decides = Decides(
      {
        **decided(settings),
        'mixture': members_of(plan),
        'vocabulary': store.vocabulary.digest,
        'initial': _initial(checked.initial_checkpoint),
      },
      data_of(keys, store),
    )
    return decides, checked

  def _train(self, cell: Cell) -> Finished:
    decides, checked = self._decides_run(cell)
    folder = self._archive.path(RUNS, decides.digest)
    settings = dataclasses.replace(checked.settings, model_dir=str(folder))
    checked = dataclasses.replace(checked, settings=settings)
    with run_class(checked).prepare(checked) as run:
      run.resume_or_start()
      run.train()
    path, step = Checkpointer.find(folder)
    packing = settings.packing
    facts = {
      'steps': step,
      'tokens': step * packing.batch_rows * packing.pack_length,
      'params': Checkpointer.digests(path)['params'],
    }
    return self._archive.finish(RUNS, decides, facts)

  def _decides_evaluation(
    self, cell: Cell, evaluation: CellEvaluation, made: Finished | None
  ) -> tuple[Decides, TrainSettings]:
    settings, _ = self.settings(cell, evaluation.settings)
    setup = settings.setup
    plan, store = names.resolve(evaluation.mixture), self._open(setup).store
    initial = setup.locate(settings.initial_checkpoint)
    decides = Decides(
      {
        'setup': decided(setup),
        'vocabulary': store.vocabulary.digest,
        'eval_config': asked(settings.evaluation.eval_config),
        'mixture': members_of(plan),
        'params': made.facts['params'] if made else _initial(initial),
      },
      data_of(split_keys([plan], training=False), store),
    )
    return decides, settings

  def _evaluate(
    self, cell: Cell, evaluation: CellEvaluation, made: Finished | None
  ) -> None:
    with template_set.applied(cell.template_set):
      decides, settings = self._decides_evaluation(cell, evaluation, made)
      workspace = self._open(settings.setup)
      plan = names.resolve(evaluation.mixture)
      contaminated = settings.evaluation.eval_config.contaminated
      opened = workspace.evaluation(
        plan,
        settings.evaluation.eval_config,
        contaminated and Contaminated.read(contaminated),
      )
      params = self._params(settings, workspace, made)
      folder = self._archive.path(EVALUATIONS, decides.digest)
      about = {'step': made.facts['steps'] if made else 0}
      with held(folder):
        opened.run(params, folder, about, self._history(settings, made))
      facts = {'params': decides.settings['params'], 'mixture': plan.name}
      self._archive.finish(EVALUATIONS, decides, facts)

  def _history(self, settings: TrainSettings, made: Finished | None) -> History:
    path = made and str(made.folder)
    path = path or settings.setup.locate(settings.initial_checkpoint)
    return History() if path is None else history_of(path)

  def _params(
    self, settings: TrainSettings, workspace: Workspace, made: Finished | None
  ) -> Any:
    setup = settings.setup
    path = made and str(made.folder)
    path = path or setup.locate(settings.initial_checkpoint)
    if path is None:
      return init_params(setup.model, setup.seed, workspace.mesh)
    workspace.check_checkpoint(path, starts=made is None)
    # The initial parameters may have no average.
    return workspace.restore(path, setup.use_ema and made is not None)

  def _open(self, setup: RunSetup) -> Workspace:
    """Opens a setup; equal ones share their compiled programs."""
    key = repr(dataclasses.replace(setup, seed=0))
    if key not in self._workspaces:
      self._workspaces[key] = setup.open(None)
    return dataclasses.replace(self._workspaces[key], setup=setup)


def _tasks(cell: Cell) -> Iterator[tuple[CellPrompt, str]]:
  for prompts in cell.prompts:
    for task in prompts.tasks:
      yield prompts, task


def _initial(checkpoint: str | None) -> int | None:
  """Returns the digest of initial parameters; None if the seed draws them."""
  if checkpoint is None:
    return None
  return Checkpointer.digests(Checkpointer.find(checkpoint)[0])['params']


@contextlib.contextmanager
def _naming(cell: Cell) -> Iterator[None]:
  """Names the cell in the error of a setting."""
  try:
    yield
  except UserError as error:
    if str(error).startswith(f'cell {cell.name}: '):
      raise
    # Gin gives errors a class of its own, which takes no message.
    raise ConfigError(f'cell {cell.name}: {error}') from error
