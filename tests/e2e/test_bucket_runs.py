"""A run whose folders are in a bucket is killed, continued and reported."""

import json

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from flan_jax.runtime.paths import user_path
from tests.command_line import RULE, TRAIN

_STEPS = 12


def _arguments(data_dir: str, model_dir: str, cache_dir: str) -> list[str]:
  return [
    'train',
    *TRAIN,
    RULE,
    '--gin.MIXTURE_OR_TASK_NAME=rule_train',
    '--gin.EVAL_MIXTURE=rule_eval',
    '--gin.MAX_EVAL_ROWS=4',
    f'--gin.DATA_DIR={data_dir}',
    f'--gin.CACHE_DIR={cache_dir}',
    f'--gin.MODEL_DIR={model_dir}',
    f'--gin.TRAIN_STEPS={_STEPS}',
    '--gin.EVAL_PERIOD=0',
    '--gin.CHECKPOINT_PERIOD=4',
  ]


def _leaves(model_dir: str) -> list[np.ndarray]:
  reader = ocp.PyTreeCheckpointer()
  path = user_path(model_dir) / 'checkpoints' / str(_STEPS)
  return jax.tree.leaves(
    [reader.restore(path / item) for item in ('params', 'training')]
  )


@pytest.mark.slow
@pytest.mark.usefixtures('warm_cache')
def test_a_run_in_a_bucket_is_killed_and_continued_bit_for_bit(
  cli, rule_data, bucket
):
  whole, broken = str(cli.folder / 'whole'), f'{bucket}/run'
  cli.check_process(*_arguments(rule_data, whole, 'cache'))
  arguments = _arguments(rule_data, broken, f'{bucket}/cache')
  # In the middle of its second save.
  killed = cli.start(*arguments, module=('tests.e2e.killed', 'training'))
  _, error = killed.communicate()
  assert killed.returncode == -9, error[-3000:]
  folder = user_path(broken)
  assert (folder / 'checkpoints/4/commit_success.txt').exists()
  assert not (folder / 'checkpoints/8/commit_success.txt').exists()
  out = cli.check_process(*arguments)
  assert 'resuming from step 4' in out
  for a, b in zip(_leaves(whole), _leaves(broken), strict=True):
    assert np.array_equal(a, b)
  lines = (folder / 'metrics.jsonl').read_text().splitlines()
  found = map(json.loads, lines)
  steps = [line['step'] for line in found if line['kind'] == 'train']
  assert steps == list(range(1, _STEPS + 1))
  results = json.loads((folder / 'eval/rule_eval/results.json').read_text())
  there = cli.folder / 'whole/eval/rule_eval/results.json'
  assert results['parts'] == json.loads(there.read_text())['parts']
  cli.check('report', broken, f'--out={bucket}/report')
  assert (user_path(bucket) / 'report/report.html').exists()
