"""`flan-jax compare`: any two evaluations of the same rows."""

import json

import pytest

from tests.report import results_files as files

_ROWS = 120


def _records(right, part='rte', templates=2):
  """Returns records; the first template is right on ten rows less."""
  return [
    {
      'part': part,
      'format': 'instructions',
      'split': 'test',
      'template': template,
      'id': str(row),
      'group': str(row),
      'shots': 0,
      'predicted': int(row >= right - 10 * (not template)),
      'text': '',
      'gold': [0],
      'correct': row < right,
    }
    for template in range(templates)
    for row in range(_ROWS)
  ]


@pytest.fixture
def write(cli):
  """Writes an evaluation of two datasets with so many right rows."""

  def run(name, rte, cb, shots=0, **about):
    results, records = [], []
    for part, right in (('rte', rte), ('cb', cb)):
      values = [100 * (right - less) / _ROWS for less in (10, 0)]
      results.append(
        files.part(part, values, rows=_ROWS, groups=_ROWS, shots=shots)
      )
      records += _records(right, part)
    files.write_evaluation(
      cli.folder / name,
      results,
      records=records,
      about={'step': 4, **about},
    )
    return name

  return run


def test_two_runs_are_compared_by_dataset_cluster_and_template(cli, write):
  first, second = write('first', 60, 60), write('second', 90, 62)
  found = json.loads(cli.check('compare', first, second, '--format=json'))
  rte, cb = found['datasets']
  assert rte['difference'] == pytest.approx(25)
  assert rte['verdict'] == 'better'
  assert cb['verdict'] == 'not shown'
  assert 0 < cb['difference'] < cb['detectable']
  assert rte['p_holm'] <= 2 * rte['p'] and rte['reversal'] < 1e-9
  (nli,) = found['means']
  assert (nli['mean_of'], nli['datasets'], nli['verdict']) == (
    *('nli', 2),
    'better',
  )
  text = cli.check('compare', second, first)
  line = next(x for x in text.splitlines() if x.startswith('rte'))
  assert line.endswith('worse') and '-25.0' in line
  assert "Holm's" in text and max(map(len, text.splitlines())) <= 100


def test_what_was_not_held_out_is_said_first(cli, write):
  breach = {'trained': 'cb', 'reason': 'is evaluated'}
  first = write('first', 60, 60)
  second = write('second', 60, 60, not_held_out=[breach])
  out = cli.check('compare', first, second)
  assert out.startswith('second: not held out: cb\n')


def test_what_cannot_be_compared_is_said(cli, write):
  first, second = write('first', 60, 60), write('second', 90, 62)
  path = cli.folder / second / 'records.jsonl'
  lines = path.read_text().splitlines(keepends=True)
  path.write_text(''.join(line for line in lines if '"cb"' in line))
  out = cli.check('compare', first, second)
  assert 'not compared: rte: the models answered different rows' in out
  path.unlink()
  code, _, error = cli('compare', first, second)
  assert code == 2 and 'there is no records.jsonl' in error
  code, _, error = cli('compare', first, 'nowhere')
  assert code == 2 and 'nowhere' in error


def test_other_prompt_formats_are_named(cli, write):
  first = write('first', 60, 60, prompt_format='{input} ')
  second = write('second', 90, 62, prompt_format=None)
  out = cli.check('compare', first, second)
  assert "PROMPT_FORMAT differs: '{input} ' before, None after" in out
  assert 'PROMPT_FORMAT' not in cli.check('compare', second, second)


def test_other_exemplars_are_named(cli, write):
  first = write('first', 60, 60, shots=2)  # An older one does not record them.
  second = write('second', 90, 62, shots=2, fewshot_exemplars='shared')
  out = cli.check('compare', first, second)
  assert "FEWSHOT_EXEMPLARS differs: 'per_row' before, 'shared' after" in out
  zero = write('zero', 60, 60), write('one', 60, 62, fewshot_exemplars='shared')
  assert 'FEWSHOT_EXEMPLARS' not in cli.check('compare', *zero)
