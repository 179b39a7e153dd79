"""A run is checked and opened before anything is compiled."""

import json
import os
import pathlib
import traceback

import numpy as np
import pytest

from flan_jax.definitions import names, registry
from flan_jax.definitions.held_out import History, TrainedOn
from flan_jax.runs import config_record
from flan_jax.training.checkpoint import Checkpointer
from flan_jax.training.metric_writer import MetricWriter
from tests.command_line import RULE, TRAIN
from tests.training import events


def test_home_means_the_same_for_all_files_of_a_run(tmp_path, monkeypatch):
  monkeypatch.setenv('HOME', str(tmp_path / 'home'))
  monkeypatch.chdir(tmp_path)
  config_record.write('~/run')
  MetricWriter('~/run', 0).close()
  Checkpointer.save_params('~/run', {'weight': np.ones(2, np.float32)}, {})
  Checkpointer('~/run').close()
  assert os.listdir(tmp_path) == ['home']
  found = {path.name for path in pathlib.Path(tmp_path, 'home/run').iterdir()}
  assert found >= {'config.gin', 'metrics.jsonl', 'params', 'checkpoints'}
  assert Checkpointer.find('~/run')[0] == str(tmp_path / 'home/run')


def test_training_rows_that_are_trained_on_are_not_evaluated(cli):
  flags = (
    *('train', *TRAIN, RULE, '--dry_run', '--gin.DATA_DIR=data'),
    '--allow_missing',
    '--gin.MODEL_DIR=model',
    '--gin.EVAL_MIXTURE=rule.t7.train_rows',
  )
  code, _, error = cli(*flags, '--gin.MIXTURE_OR_TASK_NAME=rule_train')
  assert code == 2
  assert 'evaluates training rows of rule, which rule_train trains on' in error
  out = cli.check(*flags, '--gin.MIXTURE_OR_TASK_NAME=flan_holdout_nli')
  assert 'then evaluate rule.t7.train_rows' in out


def test_what_is_not_held_out_is_said_first_or_refused(cli):
  flags = (
    *('train', *TRAIN, RULE, '--dry_run', '--gin.DATA_DIR=data'),
    '--allow_missing',
    '--gin.MODEL_DIR=model',
    '--gin.EVAL_MIXTURE=flan_eval_nli',
  )
  out = cli.check(*flags, '--gin.MIXTURE_OR_TASK_NAME=rte')
  assert out.startswith('not held out: rte\nwould train on rte')
  require = '--gin.REQUIRE_HELD_OUT=True'
  code, _, error = cli(*flags, '--gin.MIXTURE_OR_TASK_NAME=rte', require)
  assert code == 2 and 'not held out: rte (rte is evaluated)' in error
  # What the initial parameters were trained on counts as well.
  plan = names.resolve('rte')
  record = {'trained_on': History().then(TrainedOn.of(plan)).as_json()}
  params = {'weight': np.ones(2, np.float32)}
  Checkpointer.save_params(cli.folder / 'tuned', params, record)
  more = ('--gin.MIXTURE_OR_TASK_NAME=flan_holdout_nli', require)
  assert cli.check(*flags, *more).startswith('would train')
  code, _, error = cli(*flags, *more, '--gin.INITIAL_CHECKPOINT_PATH=tuned')
  assert code == 2 and 'not held out: rte' in error
  assert not (cli.folder / 'model').exists()


@pytest.mark.slow
@pytest.mark.usefixtures('warm_cache')
def test_a_name_is_resolved_once_and_all_results_are_tracked(
  cli, rule_data, monkeypatch
):
  flags = (
    *TRAIN,
    RULE,
    '--gin.MIXTURE_OR_TASK_NAME=rule_train',
    '--gin.EVAL_MIXTURE=rule_eval',
    '--gin.VALIDATION_MIXTURE=rule_eval',
    f'--gin.DATA_DIR={rule_data}',
    '--gin.CACHE_DIR=cache',
    '--gin.MODEL_DIR=model',
    '--gin.TRAIN_STEPS=1',
    '--gin.EVAL_ROWS=1',
    '--gin.EVAL_PERIOD=1',
    '--gin.MAX_EVAL_ROWS=1',
    '--gin.EVAL_BASE=True',
    '--gin.KEEP_BEST=loss',
    '--gin.CHECKPOINT_PERIOD=1',
  )
  cli.check('cache', *flags)
  resolved, elsewhere = [], []
  resolve, find_part = names._match, registry.find_part
  monkeypatch.setattr(
    names, '_match', lambda name: resolved.append(name) or resolve(name)
  )

  def noticed(name):
    callers = {frame.name for frame in traceback.extract_stack()}
    # Mixtures are declared with the names of their parts.
    if not callers & {'resolve', '_register'}:
      elsewhere.append(name)
    return find_part(name)

  monkeypatch.setattr(registry, 'find_part', noticed)
  cli.check('train', *flags)
  assert sorted(resolved) == ['rule_eval', 'rule_train']
  assert not elsewhere

  (board,) = (cli.folder / 'model/tensorboard').iterdir()
  found = events.scalars(events.read(board))
  assert found['train/learning_rate'] == {1: pytest.approx(0.02)}
  assert set(found['train/loss']) == set(found['validation/accuracy']) == {1}
  assert (
    set(found['eval/accuracy']) == set(found['eval/accuracy/rule']) == {0, 1}
  )
  metrics = (cli.folder / 'model/metrics.jsonl').read_text().splitlines()
  kinds = [(m['step'], m['kind']) for m in map(json.loads, metrics)]
  expected = [(0, 'eval'), (1, 'train'), (1, 'validation'), (1, 'eval')]
  assert kinds == expected
  # The lowest loss is the best.
  (loss,) = found['validation/loss'].values()
  score = json.loads(
    (cli.folder / 'model/checkpoints/1/record/metadata').read_text()
  )['score']
  assert score == pytest.approx(-loss) and loss > 0
