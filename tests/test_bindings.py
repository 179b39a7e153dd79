"""Values that gin has bound are checked against the annotations."""

import inspect
import pathlib
from typing import Any

from etils import epath
import gin
import pytest

from flan_jax import bindings, config, configurables
from flan_jax.errors import ConfigError
from flan_jax.flags import Arguments
from flan_jax.macros import MACROS

_GIN = pathlib.Path(config.shipped_gin_dir())
_SET = ("MIXTURE_OR_TASK_NAME = 'rte'", "MODEL_DIR = 'somewhere'")


@pytest.fixture(autouse=True)
def _clean_gin():
  gin.clear_config()
  yield
  gin.clear_config()


def _parse(*given, run='train', file='runs/train.gin'):
  files = ('models/tiny.gin', file)
  config.parse(Arguments(gin_files=files, bindings=(*_SET, *given)), run)


def test_every_parameter_has_a_type():
  # Without one, a setting would be taken as it is.
  configurables.register()
  for name in configurables.known():
    made = gin.config._REGISTRY.get(f'flan_jax.{name}')
    if made is None or not made.wrapped.__module__.startswith('flan_jax'):
      continue  # Gin's own, or that of a test.
    kinds = configurables.kinds(f'flan_jax.{name}')
    for parameter in inspect.signature(made.wrapped).parameters:
      assert kinds.get(parameter, Any) is not Any, f'{name}.{parameter}'


def test_the_table_has_every_macro_of_the_gin_files_and_its_reader():
  # The type of a macro is that of a parameter which reads it.
  read = {}
  for path in _GIN.rglob('*.gin'):
    for line in epath.Path(path).read_text().splitlines():
      left, _, right = line.partition('#')[0].partition(' = ')
      if right.strip().startswith('%') and '.' in left:
        read.setdefault(right.strip()[1:], set()).add(left.strip())
  assert set(read) <= set(MACROS)
  # A study hands the others on to the parameter that reads them.
  for name in set(MACROS) - {'CHAT_FORMAT', 'PIPELINE_OPTIONS'}:
    assert MACROS[name].parameter in read[name], name
  assert all(macro.values != 'any value' for macro in MACROS.values())


@pytest.mark.parametrize(
  'given, message',
  [
    # A macro that a parameter reads, directly or through another macro.
    (['KEEP_CHECKPOINTS = 0'], 'KEEP_CHECKPOINTS is 0: it must be an integer'),
    (['ROWS = 0', 'BATCH_ROWS = %ROWS'], 'ROWS is 0: it must be'),
    # A parameter that is bound directly, also one that this run never reads.
    (['LoopConfig.train_steps = "x"'], "LoopConfig.train_steps is 'x'"),
    (['Sampling.top_k = "x"'], "Sampling.top_k is 'x'"),
    # A macro of the table that this run never reads.
    (['TEMPERATURE = -1'], 'TEMPERATURE is -1: it must be 0 for'),
    # References to what is no value of the type.
    (
      ['train.settings = 3'],
      'train.settings is 3: it must be @TrainSettings()',
    ),
    (['RunSetup.model = @MeshConfig()'], 'it must be @DecoderConfig()'),
    (
      ['LEARNING_RATE = @train'],
      'LEARNING_RATE is @train: it must be',
    ),
    (['TRAIN_STEPS = @EvalConfig()'], 'TRAIN_STEPS is @EvalConfig()'),
    # What needs its own value.
    (['SEED = %SEED'], 'SEED refers to itself (SEED -> SEED)'),
    (['A = %B', 'B = %A', 'SEED = %A'], 'refers to itself'),
    (['RunSetup.model = @RunSetup()'], '@RunSetup() refers to itself'),
    (['STOP = [%STOP]'], 'STOP refers to itself'),
    (['SEED = %gin.REQUIRED'], 'SEED: seed of initial parameters'),
  ],
)
def test_a_wrong_binding_is_named(given, message):
  with pytest.raises(ConfigError) as error:
    _parse(*given)
  assert message in str(error.value)


def test_a_macro_in_a_list_is_named_itself():
  with pytest.raises(ConfigError, match='EVAL_MIXTURE is 3: '):
    _parse('EVAL_MIXTURE = 3', run='cache')


def test_a_list_is_accepted_where_the_run_takes_one():
  # `cache` makes several mixtures; the parameter of `train` is not read.
  _parse("MIXTURE_OR_TASK_NAME = ['rte', 'cb']", run='cache')
  with pytest.raises(ConfigError, match='the name of one mixture or task'):
    _parse("MIXTURE_OR_TASK_NAME = ['rte', 'cb']")


def test_a_scoped_binding_is_checked():
  with pytest.raises(ConfigError, match='BATCH is 0: it must be'):
    _parse(
      'BATCH = 0',
      'own/PackingConfig.batch_rows = %BATCH',
      'TrainSettings.packing = @own/PackingConfig()',
    )


def test_what_only_a_call_can_tell_is_left_to_the_call():
  @gin.configurable('my_rate', module='my_lab')
  def my_rate():
    return 0.5

  _parse('LEARNING_RATE = @my_lab.my_rate()')
  _parse('STOP = [%MARK]', "MARK = '\\n'")


def test_shipped_files_are_accepted_by_all_runs():
  for name in ('quickstart', 'quickstart_tiny'):
    gin.clear_config()
    config.parse(Arguments(gin_files=(f'runs/{name}.gin',)), 'train')
  assert bindings.check_bindings('train') is None
