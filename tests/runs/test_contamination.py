"""`flan-jax contamination`: planted rows, its files, scores and mistakes."""

import json

import pytest

from flan_jax.definitions import registry
from flan_jax.overlap.row_texts import row_texts
from tests.command_line import LENGTHS, RULE, SMALL, TRAIN

registry.load()


def _texts(name, data_dir):
  _, part = registry.find_part(name)
  return list(row_texts(part, 'test', data_dir))


@pytest.mark.slow
def test_planted_rows_are_found(cli, mini_data):
  planted = {'record': _texts('record', mini_data)[1::4]}
  planted['cosmos_qa'] = _texts('cosmos_qa', mini_data)[:1]
  (cli.folder / 'corpus').mkdir()
  lines = [row.text.upper() for row in planted['record']]
  (cli.folder / 'corpus/a.txt').write_text('\n'.join(lines))
  line = json.dumps({'body': f'Before. {planted["cosmos_qa"][0].text}'})
  (cli.folder / 'corpus/b.jsonl').write_text(line)
  out = cli.check(
    'contamination',
    'flan_eval_reading_comprehension_commonsense',
    '--corpus=corpus',
    '--out=seen',
    '--text_key=body',
    '--processes=1',
    f'--data_dir={mini_data}',
  )
  assert ' in 2 files, 0.0 MB of text:' in out
  found = json.loads((cli.folder / 'seen/contaminated.json').read_text())
  assert found == {name: [r.id for r in rows] for name, rows in planted.items()}
  report = json.loads((cli.folder / 'seen/contamination.json').read_text())
  assert report['files'] == 2 and report['left_out'] == []
  counts = {p['part']: p['contaminated_rows'] for p in report['parts']}
  assert counts == {name: len(rows) for name, rows in planted.items()}
  assert all(part['rows'] > counts[part['part']] for part in report['parts'])
  matches = (cli.folder / 'seen/matches.jsonl').read_text().splitlines()
  files = {m['part']: m['file'] for m in map(json.loads, matches)}
  assert files == {'record': 'corpus/a.txt', 'cosmos_qa': 'corpus/b.jsonl'}
  assert (cli.folder / 'seen/table.txt').read_text().strip() in out
  assert len(list((cli.folder / 'seen').iterdir())) == 4


def test_mistakes_are_found_before_rows_are_read(cli, mini_data):
  (cli.folder / 'a.txt').write_text('text')

  def mistake(*flags):
    code, _, error = cli('contamination', '--out=seen', *flags)
    assert code == 2
    return error

  assert 'nearest: rte' in mistake('rtee', '--corpus=a.txt')
  assert 'mnli has no test rows' in mistake('mnli', '--corpus=a.txt')
  assert '--corpus=b.txt' in mistake('rte', '--corpus=b.txt')
  assert '--corpus' in mistake('rte')
  assert '--n' in mistake('rte', '--corpus=a.txt', '--n=0')
  error = mistake('rte', '--corpus=a.txt', '--results=eval')
  assert 'eval has no results.json' in error
  empty = f'--data_dir={cli.folder}'
  assert 'flan-jax prepare rte' in mistake('rte', '--corpus=a.txt', empty)
  flags = 'flan_eval_nli', '--corpus=a.txt', empty, '--allow_missing'
  assert 'nothing of flan_eval_nli is prepared' in mistake(*flags)
  assert not (cli.folder / 'seen').exists()


@pytest.mark.slow
@pytest.mark.usefixtures('warm_cache')
def test_scores_on_clean_rows_are_those_of_eval(cli, rule_data):
  data = (RULE, f'--gin.DATA_DIR={rule_data}', '--gin.CACHE_DIR=cache')
  name = '--gin.MODEL_DIR=model'
  cli.check(
    'train',
    *TRAIN,
    *data,
    name,
    '--gin.MIXTURE_OR_TASK_NAME=rule_train',
    '--gin.EVAL_MIXTURE=rule_eval',
    '--gin.MAX_EVAL_ROWS=20',
    '--gin.TRAIN_STEPS=2',
    '--gin.EVAL_PERIOD=0',
  )
  records = (cli.folder / 'model/eval/rule_eval/records.jsonl').read_text()
  answered = {json.loads(line)['id'] for line in records.splitlines()}
  rows = [r for r in _texts('rule', rule_data) if r.id in answered]
  (cli.folder / 'a.txt').write_text('\n'.join(row.text for row in rows[:7]))
  out = cli.check(
    'contamination',
    'rule_eval',
    '--corpus=a.txt',
    '--out=seen',
    '--processes=1',
    '--results=model/eval/rule_eval',
    '--cache_dir=cache',
    f'--data_dir={rule_data}',
    RULE,
  )
  assert 'clean mean' in out
  report = json.loads((cli.folder / 'seen/contamination.json').read_text())
  (score,) = report['scores']
  assert score['clean']['contaminated_rows'] == 7
  assert score['clean']['rows'] == 13
  out = cli.check(
    'eval',
    *SMALL,
    '--gin_file=runs/eval.gin',
    LENGTHS,
    *data,
    name,
    '--gin.MIXTURE_OR_TASK_NAME=rule_eval',
    '--gin.MAX_EVAL_ROWS=20',
    '--gin.CONTAMINATED=seen/contaminated.json',
    '--gin.EVAL_EXAMPLES=0',
  )
  results = json.loads(
    (cli.folder / 'model/eval/rule_eval/results.json').read_text()
  )
  assert results['parts'][0]['clean'] == score['clean']
  assert results['parts'][0]['mean'] == score['mean']
