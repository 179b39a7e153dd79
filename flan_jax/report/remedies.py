"""The commands that make what a report lacks, for the results at hand.

A command that reads NAME.gin reads an operative configuration, which the report
shows among its recipes.
"""

import pathlib
import shlex

from flan_jax.definitions import names
from flan_jax.errors import UserError
from flan_jax.report.sources import Evaluation, Sources, TrainingRun, model_dir

_TRAIN = ('flan-jax', 'train', '--gin_file=runs/train.gin')
_EVALUATE = ('flan-jax', 'eval', '--gin_file=runs/eval.gin')
# Where no result says which model, data and mixture it is about.
_MODEL, _DATA = '--gin_file=models/tiny.gin', '--gin.DATA_DIR=tfds/'
_NEW = '--gin.MODEL_DIR=model/'
_EVALUATED = 'flan_eval_nli'


def train(sources: Sources, *settings: str) -> str:
  """Returns what trains, and records how training went and what it drew."""
  if sources.runs:
    return again(sources.runs[0], 'again/', *settings)
  for study in sources.studies:
    if study.runs:
      return _report(next(iter(study.runs.values())).folder)
  for evaluation in sources.evaluations:
    folder = model_dir(evaluation.folder)
    if folder is not None:
      return _report(folder)
  evaluated = _mixture(sources)
  return shlex.join(
    [
      *(*_TRAIN, _MODEL),
      f'--gin.MIXTURE_OR_TASK_NAME={_trained_for(evaluated)}',
      f'--gin.EVAL_MIXTURE={evaluated}',
      *(_DATA, _NEW, *settings),
    ]
  )


def evaluate(sources: Sources, *settings: str) -> str:
  """Returns what evaluates, with some settings; nothing is trained."""
  if sources.runs:
    # A finished run evaluates again, and takes the answers that it has.
    run = sources.runs[0]
    return again(run, run.folder, *settings)
  if sources.evaluations:
    return reevaluate(sources.evaluations[0], *settings)
  if sources.studies:
    study = sources.studies[0]
    return shlex.join([*study_command(study), *settings])
  name = f'--gin.MIXTURE_OR_TASK_NAME={_EVALUATED}'
  return shlex.join([*_EVALUATE, _MODEL, name, _DATA, _NEW, *settings])


def evaluate_base(sources: Sources) -> str:
  """Returns what evaluates the model before tuning."""
