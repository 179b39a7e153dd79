"""Two processes give the results of one process with two devices."""

import json

import numpy as np
import pytest

from flan_jax.testing.multiprocess import run_processes
from tests.command_line import LENGTHS, RULE, TRAIN

_EXAMPLES = 'eval/rule_eval/examples.jsonl'


def arguments(data_dir, name, *more):
  return [
    'train',
    *TRAIN,
    RULE,
    LENGTHS,
    '--gin.MIXTURE_OR_TASK_NAME=rule_train',
    '--gin.EVAL_MIXTURE=rule_eval',
    f'--gin.DATA_DIR={data_dir}',
    '--gin.CACHE_DIR=cache',
    f'--gin.MODEL_DIR={name}',
    '--gin.TRAIN_STEPS=6',
    '--gin.CHECKPOINT_PERIOD=3',
    '--gin.EVAL_PERIOD=3',
    '--gin.EVAL_ROWS=2',
    '--gin.MAX_EVAL_ROWS=8',
    '--gin.DROPOUT_RATE=0.1',
    '--gin.EVAL_EXAMPLES=1',
    *more,
  ]


def read(folder):
  lines = (folder / 'metrics.jsonl').read_text().splitlines()
  metrics = [json.loads(line) for line in lines]
  records = (folder / 'eval/rule_eval/records.jsonl').read_text().splitlines()
  assert len((folder / _EXAMPLES).read_text().splitlines()) == 1
  return metrics, [json.loads(line) for line in records]


def assert_same(got, expected):
  for mine, theirs in zip(got[0], expected[0], strict=True):
    assert mine['step'] == theirs['step']
    for name in ('loss', 'gradient_norm', 'parameter_norm', 'accuracy'):
      if name in theirs:
        np.testing.assert_allclose(mine[name], theirs[name], rtol=2e-4)
  for mine, theirs in zip(got[1], expected[1], strict=True):
    for name in ('part', 'template', 'row'):
      assert mine.get(name) == theirs.get(name)
    scores, expected_scores = (
      [option['total'] for option in record['options']]
      for record in (mine, theirs)
    )
    np.testing.assert_allclose(scores, expected_scores, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.usefixtures('warm_cache')
def test_two_processes_train_as_one_with_two_devices(cli, compiled, rule_data):
  def two_processes(*flags):
    environment = {'JAX_COMPILATION_CACHE_DIR': str(compiled)}
    return run_processes(2, flags, cli.folder, environment=environment)

  cli.check(*arguments(rule_data, 'one'), devices=2)
  printed = two_processes(*arguments(rule_data, 'two'))
  expected = read(cli.folder / 'one')
  assert len(expected[0]) == 8  # six steps, two evaluations
  assert_same(read(cli.folder / 'two'), expected)
  # Only the first process prints.
  assert 'results:' in printed[0]
  assert 'results:' not in printed[1]
  assert 'training on' not in printed[1]

  # Two processes resume the run of one, and one resumes the run of two.
  more = '--gin.TRAIN_STEPS=8', '--gin.CHECKPOINT_PERIOD=8'
  printed = two_processes(*arguments(rule_data, 'one', *more))
  assert 'resuming from step 6' in printed[0]
  cli.check(*arguments(rule_data, 'two', *more), devices=2)
  assert_same(read(cli.folder / 'one'), read(cli.folder / 'two'))
