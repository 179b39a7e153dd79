"""Every macro with every kind of wrong value, in each command that reads it."""

import gin
import pytest

from flan_jax import config, configurables, flags
from flan_jax.bindings import check_bindings
from flan_jax.errors import UserError
from flan_jax.macros import MACROS
from flan_jax.setting_types import refusal

# Each as it is written after `--gin.NAME=`.
_VALUES = {
  'None': None,
  'maybe': 'maybe',
  '': '',
  '-1': -1,
  '0': 0,
  '1.5': 1.5,
  'nan': 'nan',  # A bare word is a text.
  '1e400': float('inf'),
  '1e-300': 1e-300,
  '99999999999999999999': 99999999999999999999,
  'True': True,
  '[]': [],
  "['rte', 'cb']": ['rte', 'cb'],
  '{}': {},
  "{'inputs': -1, 'targets': 16}": {'inputs': -1, 'targets': 16},
  "'a\\0b'": 'a\0b',
}
# Command -> its run function and the files that it reads.
_COMMANDS = {
  'train': ('train', ('runs/train.gin',)),
  'prompt-tune': ('prompt_tune', ('runs/prompt_tune.gin',)),
  'eval': ('evaluate', ('runs/eval.gin',)),
  'infer': ('infer', ('runs/infer.gin',)),
  'serve': ('serve', ('runs/serve.gin',)),
  'cache': ('cache', ('runs/cache.gin',)),
  'plan': ('plan', ('runs/plan.gin',)),
  'study': ('study', ('runs/study.gin', 'experiments/main.gin')),
}
# What a command takes beyond the table.
_MORE = {
  'EVAL_MIXTURE': [('cache', ['rte', 'cb'])],
  'VALIDATION_MIXTURE': [('cache', ['rte', 'cb'])],
  'EVAL_PERIOD': [('study', None)],
  'MODEL_DIR': [('infer', None)],
  'MIXTURE_OR_TASK_NAME': [('infer', None), ('serve', None), ('cache', None)],
}
_GIVEN = {'MIXTURE_OR_TASK_NAME': 'rte', 'MODEL_DIR': 'model'}


# These read the files of `train` and little else.
_LIKE_TRAIN = ('prompt-tune', 'plan', 'study')


@pytest.fixture(
  params=[
    pytest.param(name, marks=[pytest.mark.slow] * (name in _LIKE_TRAIN))
    for name in _COMMANDS
  ]
)
def command(request, tmp_path, monkeypatch):
  """A command with its files, in a folder in which nothing is written."""
  monkeypatch.chdir(tmp_path)
  run, files = _COMMANDS[request.param]
  gin.clear_config()
  bindings = tuple(flags.override(*given) for given in _GIVEN.items())
  files = ('models/tiny.gin', *files)
  config.parse(flags.Arguments(files, bindings), run)
  yield request.param
  gin.clear_config()
  assert not list(tmp_path.iterdir())


@pytest.fixture
def check(command):
  """Checks the files of a command with one more macro, as `config.parse`."""
  run, _ = _COMMANDS[command]
  parsed = dict(gin.config._CONFIG)

  def checked(name, value):
    gin.config._CONFIG.clear()
    gin.config._CONFIG.update(parsed)
    gin.config._CONFIG.pop((name, 'gin.macro'), None)
    gin.parse_config(flags.override(name, value))
    check_bindings(run)

  yield checked


def test_a_value_outside_of_the_table_is_refused(command, check):
  named = {name for name, selector in gin.config._CONFIG if 'macro' in selector}
  # What its files do not name is checked by one command, for all.
  for name in MACROS if command == 'train' else sorted(named & set(MACROS)):
    kind = configurables.kind(MACROS[name].parameter)
    for written, value in _VALUES.items():
      case = f'{command} with {name}={written}'
      try:
        check(name, written)
      except UserError as error:
        message = str(error)
        # A required macro is reported as all of them are.
        assert message.startswith(f'{name} is '), (case, message)
        assert '\n' not in message and len(message) < 300, case
      else:
        taken = refusal(kind, value) is None
        assert taken or (command, value) in _MORE.get(name, ()), case


def test_a_macro_that_refers_to_itself_is_refused(check):
  for name in MACROS:
    with pytest.raises(UserError, match=f'{name} refers to itself'):
      check(name, f'%{name}')
