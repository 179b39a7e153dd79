"""`flan-jax eval` over checkpoints and mixtures, interrupted and repeated."""

import json

import pytest

from tests.command_line import LENGTHS, RULE, SMALL, TRAIN

_DATA = ('--gin.CACHE_DIR=cache', '--gin.MODEL_DIR=model', RULE)


@pytest.mark.slow
@pytest.mark.usefixtures('warm_cache')
def test_all_checkpoints_and_the_best_are_evaluated_once(cli, rule_data):
  data = (*_DATA, f'--gin.DATA_DIR={rule_data}')
  cli.check(
    'train',
    *TRAIN,
    *data,
    '--gin.MIXTURE_OR_TASK_NAME=rule_train',
    '--gin.TRAIN_STEPS=6',
    '--gin.CHECKPOINT_PERIOD=2',
    '--gin.EVAL_PERIOD=2',
    '--gin.KEEP_BEST=accuracy',
    '--gin.KEEP_CHECKPOINTS=2',
  )
  kept = sorted(p.name for p in (cli.folder / 'model/checkpoints').iterdir())
  assert set(kept) >= {'4', '6'}
  evaluate = (
    'eval',
    *SMALL,
    '--gin_file=runs/eval.gin',
    LENGTHS,
    *data,
    '--gin.MAX_EVAL_ROWS=6',
  )
  out = cli.check(
    *evaluate,
    "--gin.MIXTURE_OR_TASK_NAME=['rule_eval', 'rule.t3']",
    '--gin.CHECKPOINT_PATH=all',
  )
  assert 'means over subsets' in out
  # The checkpoints record what they were trained on.
  assert 'checkpoints/6: not held out: rule\n' in out
  assert (cli.folder / 'model/eval/table.txt').exists()
  for step in kept:
    for name in ('rule_eval', 'rule.t3'):
      assert (cli.folder / f'model/eval/{step}/{name}/results.json').exists()
  # Answers that are cut off are asked again; the others are not.
  folder = cli.folder / 'model/eval/6/rule_eval'
  before = (folder / 'records.jsonl').read_text()
  answers = (folder / 'answers.jsonl').read_text().splitlines(keepends=True)
  (folder / 'answers.jsonl').write_text(''.join(answers[:-3]))
  out = cli.check(
    *evaluate,
    '--gin.MIXTURE_OR_TASK_NAME=rule_eval',
    '--gin.CHECKPOINT_PATH=all',
  )
  assert f'reusing {len(answers) - 4} answers' in out
  after = (folder / 'records.jsonl').read_text()
  for old, new in zip(
    map(json.loads, before.splitlines()),
    map(json.loads, after.splitlines()),
    strict=True,
  ):
    assert old['prompt_hash'] == new['prompt_hash']
    for a, b in zip(old['options'], new['options'], strict=True):
      assert a['total'] == pytest.approx(b['total'], abs=1e-4)
  out = cli.check(
    *evaluate,
    '--gin.MIXTURE_OR_TASK_NAME=rule.t3',
    '--gin.CHECKPOINT_PATH=best',
    '--gin.WRITE_OPTIONS=True',
    "--gin.STOP=['\\n']",
    f'--gin.CONTAMINATED={_seen(cli.folder, folder)}',
  )
  assert 'valid options' in out and 'clean rows' in out
  results = json.loads(
    (cli.folder / 'model/eval/rule.t3/results.json').read_text()
  )
  assert results['not_held_out'][0]['trained'] == 'rule'
  assert results['trained_on'] == 'rule_train'
  assert str(results['step']) == results['checkpoint'].rpartition('/')[2]
  assert 'DecoderConfig.num_layers = 2' in results['configuration']
  (result,) = results['parts']
  accuracies = result['accuracies']
  assert accuracies['acc_with_end'] == pytest.approx(result['mean'])
  assert {'acc', 'acc_norm', 'acc_mutual_info'} <= set(accuracies)
  assert set(result['written']) == {'valid_options', 'accuracy'}
  assert result['clean']['contaminated_rows'] == 2
  assert result['clean']['rows'] == result['rows'] - 2


def _seen(folder, evaluated) -> str:
  """Writes a CONTAMINATED file with two of the test rows."""
  lines = (evaluated / 'records.jsonl').read_text().splitlines()
  records = [json.loads(line) for line in lines]
  test = [r for r in records if r['part'] == 'rule' and r['split'] == 'test']
  ids = sorted({record['id'] for record in test})[:2]
  path = folder / 'seen.json'
  path.write_text(json.dumps({'rule': ids}))
  return str(path)
