"""A soft prompt steers a frozen model as well as fine-tuning changes it.

It takes minutes, so it is not among the tests:

  python -m pytest -n 0 tests/e2e/steering_campaign.py
"""

import json

import pytest

from flan_jax.testing import cued_rule, rule
from flan_jax.testing.row_files import write_rows
from tests.command_line import TRAIN, TUNE
from tests.shared_folders import code_digest, make_once


@pytest.fixture(scope='module')
def steerable_data(shared) -> str:
  """A TFDS directory with the rule, and with the rule after a cue."""

  def make(folder):
    from flan_jax.sources import tfds_import

    for dataset, rows in (
      (rule.RULE, rule.rows()),
      (cued_rule.CUED_RULE, cued_rule.rows()),
    ):
      source = folder.with_name(dataset.name)
      write_rows(source, dataset, rows)
      tfds_import.import_rows(source, str(folder), log=lambda line: None)

  name = f'steerable-{code_digest(["testing", "sources"])}'
  return str(make_once(shared / name, make))


@pytest.mark.usefixtures('warm_cache', 'optimized')
def test_a_prompt_steers_a_frozen_model_that_knows_a_rule(cli, steerable_data):
  # The base knows the rule, but it does not follow it without a cue: its labels
  # were random. No row of the prompt's training has the cue.
  data = (
    f'--gin.DATA_DIR={steerable_data}',
    '--task_module=flan_jax.testing.cued_rule',
  )
  train = (*TRAIN, *data, '--gin.CACHE_DIR=cache', '--gin.EVAL_PERIOD=0')
  cli.check(
    'train',
    *train,
    '--gin.LEARNING_RATE=0.03',
    '--gin.MIXTURE_OR_TASK_NAME=cued_rule.t0',
    '--gin.MODEL_DIR=base',
    '--gin.TRAIN_STEPS=420',
  )
  cli.check(
    'train',
    *train,
    '--gin.MIXTURE_OR_TASK_NAME=rule.t0',
    '--gin.EVAL_MIXTURE=rule.t0',
    '--gin.INITIAL_CHECKPOINT_PATH=base',
    '--gin.MODEL_DIR=tuned',
    '--gin.TRAIN_STEPS=60',
  )
  cli.check(
    *TUNE,
    *data,
    '--gin.MIXTURE_OR_TASK_NAME=rule.t0',
    '--gin.TRAIN_STEPS=60',
    '--gin.EVAL_PERIOD=20',
    '--gin.CHECKPOINT_PERIOD=20',
    '--gin.PROMPT_DEV_ROWS=200',
    '--gin.EVAL_BASE=True',
  )
  base, tuned, prompt = (
    _mean(cli.folder / name)
    for name in ('prompt/eval_base', 'tuned/eval', 'prompt/eval')
  )
  # How far the base is from chance, on either side, depends on rounding.
  assert 30 <= base <= 70
  assert tuned > 90 and prompt >= 0.95 * tuned, (base, tuned, prompt)


def _mean(folder) -> float:
  results = json.loads((folder / 'rule.t0/results.json').read_text())
  (result,) = results['parts']
  assert result['rows'] == 500 and result['split'] == 'recorded'
  return result['mean']
