"""EVAL_BASE compares the model before and after training."""

import json

import pytest

from tests.command_line import LENGTHS, RULE, TRAIN


@pytest.mark.slow
@pytest.mark.usefixtures('warm_cache')
def test_the_base_model_is_compared_with_the_trained_one(cli, rule_data):
  out = cli.check(
    'train',
    *TRAIN,
    RULE,
    LENGTHS,
    '--gin.MIXTURE_OR_TASK_NAME=rule_train',
    '--gin.EVAL_MIXTURE=rule_eval',
    f'--gin.DATA_DIR={rule_data}',
    '--gin.CACHE_DIR=cache',
    '--gin.MODEL_DIR=model',
    '--gin.TRAIN_STEPS=2',
    '--gin.EVAL_PERIOD=0',
    '--gin.MAX_EVAL_ROWS=8',
    '--gin.EVAL_BASE=True',
    '--gin.EVAL_EXAMPLES=3',
    '--gin.REPORT=True',
  )
  assert 'before and after, means over templates' in out
  folder = cli.folder / 'model'
  (comparison,) = json.loads(
    (folder / 'eval/rule_eval/comparison.json').read_text()
  )['datasets']
  for name, key in (('eval_base', 'before'), ('eval', 'after')):
    results = json.loads((folder / name / 'rule_eval/results.json').read_text())
    assert results['parts'][0]['mean'] == comparison[key]
  before, after = (
    [json.loads(line) for line in path.read_text().splitlines()]
    for name in ('eval_base', 'eval')
    for path in [folder / name / 'rule_eval/examples.jsonl']
  )
  assert len(before) == 3
  for key in ('part', 'template', 'row_id', 'prompt', 'gold', 'options'):
    assert [e[key] for e in before] == [e[key] for e in after]
  # The last lines are for people: what changed, and where the report is.
  summary = (folder / 'eval/rule_eval/summary.txt').read_text()
  assert summary.strip() in out
  page = folder / 'report/report.html'
  assert page.exists() and out.endswith(f'report: model/report/{page.name}\n')
  data = json.loads((folder / 'data.json').read_text())
  assert (data['steps'], data['clusters'].keys()) == (2, {'testing'})
  assert (
    json.loads((folder / 'eval_base/rule_eval/results.json').read_text())[
      'step'
    ]
    == 0
  )
