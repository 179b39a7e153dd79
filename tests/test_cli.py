"""The command line: help, exit codes and error messages."""

import errno
import pathlib
import signal
import subprocess
import sys

import pytest

from flan_jax import cli, macros
from flan_jax.command_flags import plan_flags, render_flags
from flan_jax.errors import UserError
from flan_jax.interop import rendered_rows
from flan_jax.planning import request
from flan_jax.runs import inspect, launch

_DOCS = pathlib.Path(__file__).resolve().parents[1] / 'docs'


@pytest.fixture
def fails(monkeypatch):
  """Makes `flan-jax inspect` raise an exception."""

  def set_error(error):
    def main(argv):
      raise error

    monkeypatch.setattr(inspect, 'main', main)

  return set_error


def test_a_user_error_is_one_line(capsys, fails):
  fails(UserError('no such row'))
  assert cli.main(['inspect']) == 2
  assert capsys.readouterr().err == 'flan-jax inspect: error: no such row\n'


def test_debug_shows_the_traceback_of_a_user_error(capsys, fails):
  fails(UserError('no such row'))
  assert cli.main(['inspect', '--debug']) == 2
  error = capsys.readouterr().err
  assert 'Traceback' in error
  assert error.endswith('flan-jax inspect: error: no such row\n')


def test_debug_of_a_launched_command_is_left_to_it(monkeypatch):
  seen = []
  monkeypatch.setattr(launch, 'main', lambda argv: seen.append(argv) or 0)
  assert cli.main(['launch', '--debug', 'gke', '--', 'train', '--debug']) == 0
  assert seen == [['gke', '--', 'train', '--debug']]


def test_debug_alone_shows_the_usage(capsys):
  assert cli.main(['--debug']) == 0
  assert 'flan-jax COMMAND' in capsys.readouterr().out


def test_an_error_that_quotes_anything_stays_readable(capsys, fails):
  fails(UserError(f'no row \x1b[31m{"x" * 100_000} in a file'))
  assert cli.main(['inspect']) == 2
  error = capsys.readouterr().err
  assert len(error) < 1100 and error.endswith('in a file\n')
  assert r'no row \x1b[31m' in error


@pytest.mark.parametrize(
  'error',
  [
    OSError(errno.ENOSPC, 'No space', 'records.jsonl'),
    ValueError('records.jsonl: No space left on device\n [28]'),
  ],
)
def test_a_full_disk_is_one_line(capsys, fails, error):
  fails(error)
  assert cli.main(['inspect']) == 2
  (line,) = capsys.readouterr().err.splitlines()
  assert 'there is no space left' in line and 'records.jsonl' in line


@pytest.mark.parametrize('error', [ValueError('shapes'), OSError('disk')])
def test_a_bug_keeps_its_traceback(fails, error):
  fails(error)
  with pytest.raises(type(error)):
    cli.main(['inspect'])


def test_ctrl_c_prints_one_line_and_exits_with_130(capsys, fails):
  fails(KeyboardInterrupt())
  assert cli.main(['inspect']) == 130
  assert capsys.readouterr().err == 'flan-jax inspect: interrupted\n'


@pytest.mark.parametrize(
  'command, number, code',
  [
    ('train', signal.SIGTERM, 0),
    ('train', signal.SIGUSR1, 0),
    ('train', signal.SIGINT, 130),
    ('eval', signal.SIGTERM, 143),
    ('study', signal.SIGTERM, 143),
  ],
)
def test_a_signal_prints_one_line(capsys, monkeypatch, command, number, code):
  before = signal.getsignal(signal.SIGTERM)
  monkeypatch.setattr(cli, '_run', lambda *_: signal.raise_signal(number))
  # A shell starts background jobs with SIGINT ignored, and so the tests.
  ignored = signal.signal(signal.SIGINT, signal.default_int_handler)
  try:
    assert cli.main([command]) == code
  finally:
    signal.signal(signal.SIGINT, ignored)
  (line,) = capsys.readouterr().err.splitlines()
  assert line.startswith(f'flan-jax {command}: ')
  assert signal.getsignal(signal.SIGTERM) == before


def test_a_command_that_keeps_nothing_does_not_promise_to_go_on(
  capsys, monkeypatch
):
  stop = lambda *_: signal.raise_signal(signal.SIGTERM)  # noqa: E731
  monkeypatch.setattr(cli, '_run', stop)
  said = {}
  for command in ('infer', 'eval'):
    assert cli.main([command]) == 143
    said[command] = capsys.readouterr().err
  assert said['infer'] == 'flan-jax infer: stopped by SIGTERM\n'
  assert 'goes on from what is done' in said['eval']


def test_help_lists_every_command(capsys):
  assert cli.main([]) == 0
  out = capsys.readouterr().out
  assert all(f'  {name} ' in out for name in ('train', 'import-data', 'help'))


@pytest.mark.parametrize(
  'command', ['train', 'prompt-tune', 'eval', 'infer', 'serve', 'cache', 'plan']
)
def test_help_of_a_command_lists_its_flags(capsys, command):
  with pytest.raises(SystemExit) as done:
    cli.main([command, '--help'])
  assert done.value.code == 0
  out = capsys.readouterr().out
  assert '--gin_file' in out
  assert ('--profile' in out) == (command in ('train', 'prompt-tune'))
  assert ('--coordinator_address' in out) == (
    command in ('train', 'prompt-tune', 'eval', 'infer')
  )


_HELP = """
import contextlib, io, sys
from flan_jax import cli
for command in cli.COMMANDS:
  out = io.StringIO()
  with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
    cli.main([command, '--help'])
  if command != 'help':
    assert f'usage: flan-jax {command} ' in out.getvalue(), command
  assert not {'jax', 'tensorflow'} & set(sys.modules), command
"""


def test_help_loads_neither_jax_nor_tensorflow():
  done = subprocess.run([sys.executable, '-c', _HELP], cwd=_DOCS.parent)
  assert done.returncode == 0


def test_flags_take_what_the_rooms_have_that_they_do_not_load():
  assert render_flags.FORMATS == tuple(rendered_rows.FORMATS)
  assert plan_flags.PROGRAMS == request.PROGRAMS


@pytest.mark.parametrize(
  'argv, message',
  [
    (['trian'], "no command 'trian'; the commands are train, prompt-tune"),
    (['train', '--lerning_rate=3'], "unknown flag '--lerning_rate=3'"),
    (['train', '--process_index=1'], 'go together'),
    (['infer', '--gin_file=models/tiny.gin'], '--gin_file=runs/infer.gin'),
    (['help', 'SEDE'], "no macro 'SEDE'; nearest: SEED"),
  ],
)
def test_mistakes_in_flags(capsys, argv, message):
  assert cli.main(argv) == 2
  error = capsys.readouterr().err
  assert message in error and error.count('\n') == 1


def test_help_describes_macros(capsys):
  assert cli.main(['help', 'TOP_K', 'SEED']) == 0
  out = capsys.readouterr().out
  top_k, seed = out.split('SEED\n')
  assert top_k.startswith('TOP_K\n  sample from the k most probable tokens')
  assert '  takes: an integer of at least 0\n  default 0 in infer' in top_k
  assert 'default 0 in train, prompt-tune, eval, infer, serve' in seed
  assert cli.main(['help']) == 0
  assert len(capsys.readouterr().out.splitlines()) == len(macros.MACROS)


def test_help_lists_macros_with_type_and_default(capsys):
  with pytest.raises(SystemExit):
    cli.main(['eval', '--help'])
  out = ' '.join(capsys.readouterr().out.split())
  assert (
    'EVAL_EXAMPLES rows of a subset in examples.jsonl; 0 for none: an integer '
    'of at least 0; default 8'
  ) in out
  assert 'MODEL_DIR' in out and '; required' in out
  assert '--limit N most rows of a subset that are evaluated' in out
  assert 'PACK_LENGTH' not in out and '--steps' not in out


def test_the_values_that_help_shows_are_those_of_annotations():
  # `python -m flan_jax.macros` writes them.
  found = {name: macro.values for name, macro in macros.MACROS.items()}
  assert macros.values() == found


def test_help_needs_neither_jax_nor_tensorflow():
  code = """
import sys
sys.modules['jax'] = sys.modules['tensorflow'] = None
from flan_jax import cli
cli.main(['help', 'SEED'])
cli.main(['train', '--help'])
"""
  done = subprocess.run([sys.executable, '-c', code], capture_output=True)
  assert done.returncode == 0, done.stderr


def test_docs_list_every_macro():
  page = (_DOCS / 'settings.md').read_text(encoding='utf-8')
  assert macros.table() in page
