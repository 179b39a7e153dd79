"""User errors are reported in one line before anything is compiled."""

import numpy as np
import pytest

from flan_jax.training.checkpoint import Checkpointer
from tests.command_line import RULE, TRAIN


def _train(data_dir, *more):
  return [
    'train',
    *TRAIN,
    RULE,
    '--gin.MIXTURE_OR_TASK_NAME=rule_train',
    f'--gin.DATA_DIR={data_dir}',
    '--gin.CACHE_DIR=cache',
    '--gin.MODEL_DIR=model',
    *more,
  ]


@pytest.mark.parametrize(
  'flags, message',
  [
    (['--gin.TRIAN_STEPS=3'], 'TRIAN_STEPS is set, but nothing reads it'),
    (
      ['--gin.MIXTURE_OR_TASK_NAME=flan_holdout_nil'],
      "unknown task 'flan_holdout_nil'; nearest: flan_holdout_nli",
    ),
    (
      ['--gin.DecoderConfig.vocab_size=1000'],
      'the vocabulary has 4096 pieces, the embedding 1000 rows',
    ),
    (['--gin.BATCH_ROWS=5', '--gin.MESH_DATA=2'], 'BATCH_ROWS=5 is not a'),
    (['--gin.MESH_MODEL=3'], 'model=3 does not fit 2 devices'),
    (['--gin.VOCABULARY=nowhere.model'], 'no vocabulary at nowhere.model'),
    (['--learning_rate=3'], "unknown flag '--learning_rate=3'"),
    (
      ['--gin.LoopConfig.train_steps=0'],
      'LoopConfig.train_steps is 0: it must be an integer of at least 1',
    ),
    (
      ["--gin.EVAL_MIXTURE=['rte', 'cb']"],
      "EVAL_MIXTURE is ['rte', 'cb']: it must be the name of one mixture",
    ),
    (["--gin.MIXTURE_OR_TASK_NAME=['rte']"], "MIXTURE_OR_TASK_NAME is ['rte']"),
    (['--gin.TRACKERS=wandbee'], "TRACKERS has 'wandbee'; the trackers are"),
    (['--profile=3'], '--profile=3 must be FIRST:LAST'),
    (
      ['--profile=90:101', '--gin.TRAIN_STEPS=100'],
      '--profile=90:101 is not within the steps that this run takes, 1 to 100',
    ),
  ],
)
def test_a_mistake_is_reported_in_one_line(cli, rule_data, flags, message):
  code, _, error = cli(*_train(rule_data, *flags), devices=2)
  assert code == 2
  assert error.startswith('flan-jax train: error: ')
  assert message in error
  assert not (cli.folder / 'cache').exists()
  assert not (cli.folder / 'model').exists()


@pytest.mark.parametrize('dry_run', [(), ('--dry_run',)])
def test_missing_data_is_reported_at_once_with_commands(cli, tmp_path, dry_run):
  empty = tmp_path / 'empty'
  mixture = '--gin.MIXTURE_OR_TASK_NAME=flan_holdout_nli'
  code, _, error = cli(*_train(empty, mixture, *dry_run))
  assert code == 2
  assert f'not prepared in {empty}:' in error
  shown = ' '.join(error.split())
  for name in ('copa (super_glue/copa:1.0.2)', 'xsum (xsum:1.1.0)'):
    assert name in shown
  assert '`flan-jax prepare ' in error and f' --data_dir={empty}`' in error
  assert 'first download for story_cloze, by hand: ' in error
  assert 'flan-jax import-data' in error and '--allow_missing' in error
  assert not (cli.folder / 'cache').exists()


def test_a_dry_run_opens_the_checkpoint_that_is_named(cli, rule_data):
  dry = '--dry_run', '--gin.INITIAL_CHECKPOINT_PATH=start'
  code, _, error = cli(*_train(rule_data, *dry))
  assert code == 2 and 'start' in error
  record = {'model': {'num_layers': 3}}
  arrays = {'weight': np.ones(2, np.float32)}
  Checkpointer.save_params(cli.folder / 'start', arrays, record)
  code, _, error = cli(*_train(rule_data, *dry))
  assert code == 2 and 'num_layers: 3 -> 2' in error
  assert not (cli.folder / 'model').exists()


def test_a_dry_run_computes_nothing(cli, rule_data):
  out = cli.check(*_train(rule_data, '--dry_run'))
  assert 'rule.train, rule.validation' in out
  assert 'parameters:' in out
  assert not (cli.folder / 'cache').exists()
  assert not (cli.folder / 'model').exists()


def test_help_lists_the_commands(cli):
  assert 'quickstart.gin' in cli.check('--help')


def test_an_unknown_command_is_reported_with_the_list_of_commands(cli):
  code, _, error = cli('trian')
  assert code == 2 and 'the commands are train, ' in error


def test_a_dry_run_reads_the_answers_of_files(own_folder, cli):
  (own_folder / 'rows.csv').write_text('text,label\na,good\nb,bad\n')
  (own_folder / 'own_rows.py').write_text(
    "import flan_jax as fj\nfj.dataset('own_rows', 'csv:rows.csv', 'text', "
    "('good', 'fine'), '{text}\\n{options}')\n"
  )
  code, _, error = cli(
    'train',
    *TRAIN,
    '--task_module=own_rows',
    '--gin.MIXTURE_OR_TASK_NAME=own_rows',
    '--gin.MODEL_DIR=model',
    '--gin.CACHE_DIR=cache',
    '--dry_run',
  )
  assert code == 2 and 'row 2 of train: choices has no words for' in error
