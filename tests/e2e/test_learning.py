"""A learned rule generalizes to templates that were not trained on."""

import json

import pytest

from tests.command_line import RULE, TRAIN

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures('optimized')]


def _run(cli, data_dir: str, name: str, *settings: str) -> dict:
  cli.check(
    'train',
    *TRAIN,
    RULE,
    '--gin.MIXTURE_OR_TASK_NAME=rule_train',
    '--gin.EVAL_MIXTURE=rule_eval',
    f'--gin.DATA_DIR={data_dir}',
    '--gin.CACHE_DIR=cache',
    f'--gin.MODEL_DIR={name}',
    '--gin.TRAIN_STEPS=80',
    '--gin.EVAL_PERIOD=40',
    '--gin.CHECKPOINT_PERIOD=80',
    *settings,
  )
  folder = cli.folder / name / 'eval/rule_eval'
  (result,) = json.loads((folder / 'results.json').read_text())['parts']
  assert set(result['templates']) == {'7', '8', '9'}
  assert result['rows'] == 500 and result['split'] == 'recorded'
  lines = (cli.folder / name / 'metrics.jsonl').read_text().splitlines()
  validation = [
    json.loads(line) for line in lines if '"kind": "validation"' in line
  ]
  assert [record['step'] for record in validation] == [40, 80]
  assert validation[-1]['accuracy'] == validation[-1]['accuracy/rule']
  records = (folder / 'records.jsonl').read_text().splitlines()
  assert len(records) == 3 * (500 + 100)
  return result


@pytest.mark.usefixtures('warm_cache')
def test_learned_rule_generalizes_to_unseen_templates(cli, rule_data):
  result = _run(cli, rule_data, 'true')
  assert result['mean'] >= 95
  assert result['best_validation']['test'] >= 95


@pytest.mark.usefixtures('warm_cache')
def test_shuffled_labels_stay_at_chance(cli, shuffled_rule_data):
  result = _run(cli, shuffled_rule_data, 'shuffled')
  # 50% and two standard errors of 500 rows.
  assert 45.5 <= result['mean'] <= 54.5
  assert result['interval'][0] <= 50 <= result['interval'][1]
