"""Two real processes train as one process with two devices does."""

import json

import numpy as np

from flan_jax.testing.multiprocess import run_processes
from tests.command_line import LENGTHS, RULE, TRAIN


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
    *more,
  ]


def read(folder):
  lines = (folder / 'metrics.jsonl').read_text().splitlines()
  metrics = [json.loads(line) for line in lines]
  records = (folder / 'eval/rule_eval/records.jsonl').read_text().splitlines()
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


def test_two_processes_train_as_one_with_two_devices(rule_data, tmp_path):
  run_processes(1, arguments(rule_data, 'one'), tmp_path, devices=2)
  printed = run_processes(2, arguments(rule_data, 'two'), tmp_path)
  expected = read(tmp_path / 'one')
  assert len(expected[0]) == 8  # six steps, two evaluations
  assert_same(read(tmp_path / 'two'), expected)
  # One process talks.
  assert 'results:' in printed[0]
  assert 'results:' not in printed[1]
  assert 'training on' not in printed[1]

  # Two processes go on where one stopped, and the other way round: a
  # checkpoint belongs to no number of processes.
  more = '--gin.TRAIN_STEPS=8', '--gin.CHECKPOINT_PERIOD=8'
  printed = run_processes(2, arguments(rule_data, 'one', *more), tmp_path)
  assert 'resuming from step 6' in printed[0]
  run_processes(1, arguments(rule_data, 'two', *more), tmp_path, devices=2)
  assert_same(read(tmp_path / 'one'), read(tmp_path / 'two'))
