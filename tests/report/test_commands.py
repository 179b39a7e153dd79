"""Commands that make results again, and those that make what is missing."""

import pytest

from flan_jax.report import commands
from flan_jax.report.sources import Sources, Study, read_sources
from tests.report import results_files as files

_RTE = files.part('rte', [50.0])
_TUNED = {'step': 3, 'trained_on': 'flan_holdout_nli', 'checkpoint': 'm/3'}


@pytest.fixture
def run(tmp_path):
  return files.write_run(tmp_path / 'my model', [_RTE], [_RTE])


def test_a_recipe_reads_the_operative_configuration(run):
  (recipe,) = commands.recipes(read_sources([run]))
  assert recipe.gin == (run / 'config.gin').read_text()
  assert f'--gin_file={recipe.file}' in recipe.command


def test_a_run_is_evaluated_as_it_was_and_trained_again_elsewhere(run):
  sources = read_sources([run])
  own = f"'--gin_file={run}/config.gin'"
  assert commands.to_compare(sources) == (
    f"flan-jax train --gin_file=runs/train.gin {own} '--gin.MODEL_DIR={run}' "
    '--gin.EVAL_BASE=True'
  )
  assert commands.to_evaluate(sources, '--gin.X=1').endswith(
    f"{run}' --gin.X=1"
  )
  assert commands.to_train(sources).endswith(f'{own} --gin.MODEL_DIR=again/')


def test_an_evaluation_leads_to_its_run_or_to_one_like_it(run, tmp_path):
  of_run = read_sources([run / 'eval'])
  assert commands.to_train(of_run) == (f"flan-jax report '{run}' --out=report/")
  folder = files.write_evaluation(tmp_path / 'x', [_RTE], about=_TUNED)
  alone = read_sources([folder])
  command = commands.to_train(alone)
  assert '--gin.MIXTURE_OR_TASK_NAME=flan_holdout_nli' in command
  assert '--gin.EVAL_MIXTURE=flan_eval_nli' in command
  # Its configuration, which the recipe holds, names model and data.
  assert '--gin_file=flan_eval_nli.gin' in command and 'tiny' not in command
  assert commands.to_evaluate(alone, '--gin.EVAL_EXAMPLES=8') == (
    'flan-jax eval --gin_file=runs/eval.gin --gin_file=flan_eval_nli.gin '
    '--gin.MODEL_DIR=again/ --gin.CHECKPOINT_PATH=m/3 --gin.EVAL_EXAMPLES=8'
  )
  assert '--gin.CHECKPOINT_PATH=BASE' in commands.to_compare(alone)


def test_a_study_leads_to_its_runs_and_to_its_base(run):
  (of_run,) = read_sources([run]).runs
  study = Study('s/study.json', files.study([], {}), {}, {'a': of_run})
  sources = Sources(studies=(study,))
  assert commands.to_train(sources).startswith('flan-jax report ')
  assert commands.to_compare(sources) == 'flan-jax study main --size=smoke'
