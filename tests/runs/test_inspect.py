"""`flan-jax inspect`: its flags, its exit code and its mistakes."""

import json
import os
import subprocess
import sys

import pytest

from flan_jax import cli as command_line
from flan_jax.definitions import registry
from tests.command_line import ROOT

registry.load()


@pytest.fixture
def inspect(capsys):
  """Runs the command in this process; returns its JSON."""

  def run(*arguments):
    code = command_line.main(['inspect', '--format=json', *arguments])
    out, error = capsys.readouterr()
    assert code == 0, error
    return json.loads(out)

  return run


@pytest.fixture
def mistake(capsys):
  """Runs the command in this process; returns its error in one line."""

  def run(*arguments):
    assert command_line.main(['inspect', *arguments]) == 2
    out, error = capsys.readouterr()
    assert not out and error.count('\n') == 1
    return error

  return run


@pytest.mark.slow
def test_nothing_but_rows_needs_tensorflow(tmp_path):
  code = f"""
import sys
from flan_jax import cli

sys.modules['tensorflow'] = None
flag = '--data_dir={tmp_path}'
for command in (
  ['inspect', flag],
  ['inspect', 'flan_holdout_nli', flag],
  ['prepare', 'rte', '--dry_run', flag],
  ['inspect', '--cache', '--gin.CACHE_DIR={tmp_path}', '--gin_file=runs/'
   'cache.gin', '--gin.MIXTURE_OR_TASK_NAME=rte'],
):
  assert cli.main(command) == 0
"""
  done = subprocess.run(
    [sys.executable, '-c', code],
    env={**os.environ, 'PYTHONPATH': str(ROOT)},
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr[-3000:]
  for text in ('anli_r1', 'sum of rates', 'super_glue/rte:1.0.2', '3 missing'):
    assert text in done.stdout


def test_users_datasets_are_shown(inspect, rule_data):
  flags = f'--data_dir={rule_data}', '--task_module=flan_jax.testing.rule'
  found = inspect(*flags)
  status = {d['name']: d['status'] for d in found['datasets']}
  assert status['rule'] == 'prepared'
  mixture = inspect('rule_train', *flags)
  assert mixture['members'][0]['templates'] == list(range(7))
  assert mixture['sum_of_rates'] == 2000
  rows = inspect('rule.t1', *flags, '--rows=1')
  assert len(rows['parts'][0]['templates'][0]['examples']) == 1


def test_mistakes_are_one_line(mistake, tmp_path, rule_data):
  flag = f'--data_dir={tmp_path}'
  error = mistake('rte', flag)
  assert f'super_glue/rte:1.0.2 is not in {tmp_path}' in error
  assert f'`flan-jax prepare rte --data_dir={tmp_path}`' in error
  assert 'nearest: flan_holdout_nli' in mistake('flan_holdout_nil', flag)
  assert 'has templates t0 to t9' in mistake('rte.t10', flag)
  assert '--rows' in mistake('rte', flag, '--rows=0')
  assert '--colour' in mistake('--colour=red')
  error = mistake('mnli_matched', flag, '--split=train')
  assert 'mnli_matched has no train rows; it has validation, test' in error
  assert 'nowhere.model' in mistake(
    'rule',
    f'--data_dir={rule_data}',
    '--task_module=flan_jax.testing.rule',
    '--vocabulary=nowhere.model',
  )


def test_manual_downloads_are_named(mistake, tmp_path):
  for dataset in registry.datasets():
    if dataset.manual:
      error = mistake(dataset.name, f'--data_dir={tmp_path}')
      assert dataset.manual in error
      assert str(tmp_path / 'downloads' / 'manual') in error


@pytest.mark.parametrize('failed', [False, True])
def test_a_leak_is_the_exit_code(monkeypatch, capsys, tmp_path, failed):
  from flan_jax.inspection import holdout_leakage

  asked = []
  monkeypatch.setattr(
    holdout_leakage,
    'check',
    lambda plan, data_dir, against: (
      asked.append((plan.name, data_dir, against and against.name))
      or {'failed': failed}
    ),
  )
  monkeypatch.setattr(holdout_leakage, 'lines', lambda found: ['as text'])
  arguments = ['inspect', '--check=flan_holdout_wic', f'--data_dir={tmp_path}']
  assert command_line.main(arguments) == int(failed)
  assert capsys.readouterr().out.strip() == 'as text'
  assert command_line.main([*arguments, '--format=json']) == int(failed)
  assert json.loads(capsys.readouterr().out) == {'failed': failed}
  command_line.main([*arguments, '--against=rte'])
  folder = str(tmp_path)
  assert asked == [
    *2 * [('flan_holdout_wic', folder, None)],
    ('flan_holdout_wic', folder, 'rte'),
  ]


def test_without_a_hold_out_the_evaluation_is_named(mistake):
  for name in ('flan_all', 'flan_eval_nli', 'rte'):
    error = mistake(f'--check={name}')
    assert name in error and '--against' in error
  assert 'needs --check' in mistake('--against=rte')
