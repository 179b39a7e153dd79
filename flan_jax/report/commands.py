"""The commands that make results again, or what a report lacks."""

from collections.abc import Iterator, Sequence
import dataclasses
import os
import pathlib
import shlex

from flan_jax.definitions import names
from flan_jax.errors import UserError
from flan_jax.report.sources import (
  CONFIG,
  Evaluation,
  Sources,
  Study,
  model_dir,
)
from flan_jax.runtime.paths import user_path
from flan_jax.training.trackers import METRICS

_TRAIN = ('flan-jax', 'train', '--gin_file=runs/train.gin')
_EVALUATE = ('flan-jax', 'eval', '--gin_file=runs/eval.gin')
_AGAIN = '--gin.MODEL_DIR=again/'
# Where no result says of which model and data it is.
_SOME_MODEL = ('--gin_file=models/tiny.gin', '--gin.DATA_DIR=tfds/')
_SOME_MIXTURE = 'flan_eval_nli'


@dataclasses.dataclass(frozen=True)
class Recipe:
  """How to make a result again.

  Attributes:
    title: What it makes.
    command: The command.
    file: Name of the gin file that the command reads; empty if it reads none.
    gin: Its content: the operative configuration.
  """

  title: str
  command: str
  file: str
  gin: str


def recipes(sources: Sources) -> list[Recipe]:
  """Returns the commands that make the results again."""
  found = []
  for run in sources.runs:
    name = pathlib.PurePath(run.folder).name
    file = f'{name}.gin'
    command = shlex.join([*_TRAIN, f'--gin_file={file}', _AGAIN])
    found.append(Recipe(f'Training run: {name}', command, file, run.config))
  for study in sources.studies:
    about = study.json
    config = next((run.config for run in study.runs.values()), '')
    title = f'Study: {about["study"]}, size {about["size"]}'
    found.append(Recipe(title, study_command(study), '', config))
  for evaluation in sources.evaluations:
    gin = '\n'.join(evaluation.about.get('configuration', ()))
    command = shlex.join(_of_evaluation(evaluation))
    title = f'Evaluation: {evaluation.folder}'
    found.append(Recipe(title, command, _file(evaluation), gin))
  return found


def study_command(study: Study, *settings: str) -> str:
  """Returns the command that runs a study, without settings of the user."""
  about = study.json
  size = f'--size={about["size"]}'
  return shlex.join(['flan-jax', 'study', about['study'], size, *settings])


def _file(evaluation: Evaluation) -> str:
  return f'{evaluation.mixture}.gin'


def _of_evaluation(evaluation: Evaluation) -> list[str]:
  command = [*_EVALUATE, f'--gin_file={_file(evaluation)}', _AGAIN]
  checkpoint = evaluation.about.get('checkpoint')
  return command + [f'--gin.CHECKPOINT_PATH={checkpoint}'] * bool(checkpoint)


def to_evaluate(sources: Sources, *settings: str) -> str:
  """Returns what evaluates the models of a report with more settings."""
  if sources.runs:
    return _of_finished(sources, *settings)
  if sources.evaluations:
    return shlex.join([*_of_evaluation(sources.evaluations[0]), *settings])
  if sources.studies:
    return study_command(sources.studies[0], *settings)
  name = f'--gin.MIXTURE_OR_TASK_NAME={_SOME_MIXTURE}'
  some = (*_SOME_MODEL, name, '--gin.MODEL_DIR=model/')
  return shlex.join([*_EVALUATE, *some, *settings])


def to_compare(sources: Sources) -> str:
  """Returns what evaluates the model before tuning as well."""
  base = '--gin.EVAL_BASE=True'
  if sources.runs:
    return _of_finished(sources, base)
  tuned = [one for one in sources.evaluations if not one.is_base]
  if tuned:
    command = [*_EVALUATE, f'--gin_file={_file(tuned[0])}']
    of_base = '--gin.CHECKPOINT_PATH=BASE', '--gin.MODEL_DIR=base/'
    return shlex.join([*command, *of_base])
  if sources.studies and not sources.evaluations:
    # Its arm `base` is not tuned.
    size = sources.studies[0].json['size']
    return shlex.join(['flan-jax', 'study', 'main', f'--size={size}'])
  return to_train(sources, base)


def _of_finished(sources: Sources, *settings: str) -> str:
  """Returns what evaluates a finished run; it does not train again."""
  folder = sources.runs[0].folder
  file = os.path.join(folder, CONFIG)
  place = f'--gin.MODEL_DIR={folder}'
  return shlex.join([*_TRAIN, f'--gin_file={file}', place, *settings])


def to_train(sources: Sources, *settings: str) -> str:
  """Returns what records a training: its metrics and what it draws.

  Where the results are of a run that is at hand, that is a report on the run.
  """
  if sources.runs:
    return shlex.join(_of_run_again(sources))
  for folder in _runs_behind(sources):
    return shlex.join(['flan-jax', 'report', folder, '--out=report/'])
  evaluated, model = _SOME_MIXTURE, _SOME_MODEL
  for evaluation in sources.evaluations:
    evaluated = evaluation.mixture
    model = (f'--gin_file={_file(evaluation)}',)
  return shlex.join(
    [
      *(*_TRAIN, *model),
      f'--gin.MIXTURE_OR_TASK_NAME={_hold_out(sources, evaluated)}',
      f'--gin.EVAL_MIXTURE={evaluated}',
      *('--gin.MODEL_DIR=model/', *settings),
    ]
  )


def _of_run_again(sources: Sources) -> Sequence[str]:
  """Returns what trains again: a finished run writes no metrics."""
  file = os.path.join(sources.runs[0].folder, CONFIG)
  return *_TRAIN, f'--gin_file={file}', _AGAIN


def _runs_behind(sources: Sources) -> Iterator[str]:
  """Yields the folders of runs that studies and evaluations are of."""
  for study in sources.studies:
    yield from (run.folder for run in study.runs.values())
  for evaluation in sources.evaluations:
    folder = model_dir(evaluation.folder)
    if folder and (user_path(folder) / METRICS).exists():
      yield folder


def _hold_out(sources: Sources, evaluated: str) -> str:
  """Returns the mixture that holds out what is evaluated, if it has a name."""
  clusters = [r.cluster for e in sources.evaluations for r in e.results]
  for name in (
    evaluated.replace('flan_eval_', 'flan_holdout_'),
    *(f'flan_holdout_{cluster}' for cluster in clusters),
  ):
    if name != evaluated:
      try:
        names.resolve(name)
      except UserError:
        continue
      return name
  return 'MIXTURE'
