"""The report on a study that has really run."""

import json

import pytest

from flan_jax.evaluation.comparison import NO_INTERVAL
from tests.command_line import RULE
from tests.studies.shipped import TINY


@pytest.mark.slow
@pytest.mark.usefixtures('warm_cache')
def test_a_report_is_made_of_what_a_study_writes(cli, rule_data):
  (cli.folder / 'experiments').mkdir()
  (cli.folder / 'experiments/tiny.gin').write_text(f'{TINY}TRAIN_STEPS = 2\n')
  cli.check(
    *('study', 'tiny', RULE, '--gin.CACHE_DIR=cache'),
    *(f'--gin.DATA_DIR={rule_data}', '--gin.EVAL_EXAMPLES=4'),
  )
  cli.check('report', 'studies', RULE, '--out=report')
  report = json.loads((cli.folder / 'report/report.json').read_text())
  study = json.loads((cli.folder / 'studies/tiny-smoke/study.json').read_text())
  (line,) = study['panel']['datasets']
  row = report['results']['tables'][0]['rows'][0]
  assert (row['dataset'], row['rows']) == ('rule', 4)
  assert (row['base'], row['tuned']) == (line['base'], line['tuned'])
  # The records of both arms were compared.
  assert row['difference'] == line['difference']
  assert row['verdict'] != NO_INTERVAL
  assert len(report['examples']) == 4
  for example in report['examples']:
    assert [answer['model'] for answer in example['answers']] == [
      'base',
      'tuned',
    ]
    assert sum(example['answers'][1]['shares']) == pytest.approx(100, abs=0.2)
  facts = dict(report['facts'][0]['lines'])
  assert facts['cells'] == '2 of 2 finished' and facts['steps of each'] == '2'
  names = {figure['name'] for figure in report['studies']['figures']}
  assert 'study_main' in names
