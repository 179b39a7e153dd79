"""`flan-jax eval`: evaluates checkpoints, zero-shot or few-shot."""

from collections.abc import Sequence
import os

import gin

from flan_jax.definitions import held_out, names
from flan_jax.definitions.held_out import History
from flan_jax.evaluation import records
from flan_jax.evaluation.contaminated import Contaminated
from flan_jax.evaluation.eval_config import EvalConfig
from flan_jax.evaluation.mixture_evaluation import MixtureEvaluation
from flan_jax.evaluation.soft_prompts import SoftPrompts
from flan_jax.flags import Arguments
from flan_jax.runs.checkpoint_paths import labelled_checkpoints
from flan_jax.runs.run_setup import RunSetup
from flan_jax.runs.training_history import history_of
from flan_jax.runtime import processes
from flan_jax.setting_types import Name, Names, Path, Paths
from flan_jax.terminal.screen import show
from flan_jax.training.checkpoint import Checkpointer


@gin.configurable(module='flan_jax')
def evaluate(
  mixture: Name | Names,
  model_dir: Path,
  setup: RunSetup,
  eval_config: EvalConfig,
  checkpoint: Path | Paths | None = None,
  prompts_from: Sequence[Path] = (),
  arguments: Arguments | None = None,
  dry_run: bool = False,
) -> None:
  """Evaluates checkpoints on every ordinary template of mixtures.

  A run that was interrupted does not ask again what was answered.

  Args:
    mixture: Mixture or task, such as `flan_eval_nli`, or several.
    model_dir: Folder for results; its newest checkpoint is the default.
    setup: The model and its data.
    eval_config: What is asked.
    checkpoint: The checkpoint or model directory to evaluate, or several; 'all'
      or 'best' of model_dir (see KEEP_BEST).
    prompts_from: Model directories of prompt-tune. Their prompts, each before
      the examples of its own task, are evaluated on the model of `checkpoint`,
      by default the one that they were trained on.
    arguments: Given to the child process that makes missing caches.
    dry_run: Checks what can be checked without computing, and stops.

  Raises:
    UserError: before anything is compiled.
  """
  mixtures = names.resolve_all([mixture])
  prompts = SoftPrompts.read(prompts_from) if prompts_from else None
  workspace = setup.open(arguments)
  contaminated = eval_config.contaminated
  contaminated = contaminated and Contaminated.read(contaminated)
  if prompts is not None:
    checkpoint = checkpoint or prompts.base
  paths = labelled_checkpoints(checkpoint, model_dir, setup.locate)
  for path in paths.values():
    workspace.check_checkpoint(path)
  for prompt in () if prompts is None else prompts.prompts:
    workspace.expected.check(prompt.record, prompt.path)
  histories = {path: _history(path, prompts) for path in paths.values()}
  for path, history in histories.items():
    if eval_config.require_held_out:
      history.require_held_out(mixtures)
    if headline := held_out.headline(history.breaches(mixtures)):
      processes.log(headline if len(paths) == 1 else f'{path}: {headline}')

  def opened() -> list[MixtureEvaluation]:
    return [
      workspace.evaluation(plan, eval_config, contaminated, prompts)
      for plan in mixtures
    ]

  if dry_run:
    names_ = ', '.join(plan.name for plan in mixtures)
    missing = workspace.missing(mixtures)
    if not missing:
      opened()
    missing = missing or 'none'
    show([f'would evaluate {names_}', f'splits to cache first: {missing}'])
    return
  workspace.ensure(mixtures)
  evaluations = opened()
  parts = [part for evaluation in evaluations for part in evaluation.parts]
  workspace.check_same((), parts, paths.values())
  folder, found = os.path.join(model_dir, 'eval'), []
  for label, named in paths.items():
    path, step = Checkpointer.find(named)
    params = workspace.restore_evaluated(path)
    about = {'checkpoint': path, 'step': step}
    if prompts is not None:
      params = prompts.add_to(params, path, setup.model, workspace.mesh)
      about['soft_prompts'] = [prompt.path for prompt in prompts.prompts]
    params = setup.cast(params)
    for evaluation in evaluations:
      result = evaluation.run(
        params, os.path.join(folder, label), about, histories[named]
      )
      found.append((label or path, evaluation.mixture, result))
  if len(found) > 1 and processes.is_first():
    tables = records.write_checkpoints(folder, found)
    show(['', *tables, f'results: {folder}'])


def _history(path: str, prompts: SoftPrompts | None) -> History:
  """Returns what a checkpoint, and the prompts before it, were trained on."""
  history = history_of(path)
  for prompt in () if prompts is None else prompts.prompts:
    own = History.recorded(prompt.record)
    history = History(
      (*history.mixtures, *own.mixtures), history.known and own.known
    )
  return history
