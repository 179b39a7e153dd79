"""Compiled programs are kept, found again, and give the same results."""

import json
import os

import jax
import pytest

from flan_jax.runtime import compilation
from tests.command_line import RULE, SMALL, TRAIN


@pytest.fixture
def setting(monkeypatch):
  """Returns a function that reads JAX's setting; resets it afterwards."""
  before = jax.config.jax_compilation_cache_dir
  jax.config.update('jax_compilation_cache_dir', None)
  yield lambda: jax.config.jax_compilation_cache_dir
  jax.config.update('jax_compilation_cache_dir', before)


def test_similar_hosts_share_a_folder(setting, tmp_path):
  compilation.keep_compiled(str(tmp_path / 'kept'))
  folder, kind = os.path.split(setting())
  assert folder == str(tmp_path / 'kept')
  assert kind == compilation.host_kind()


def test_home_is_expanded(setting):
  compilation.keep_compiled('~/kept')
  assert setting().startswith(os.path.expanduser('~/kept/'))


def test_without_a_folder_nothing_is_kept(setting):
  compilation.keep_compiled(None)
  assert setting() is None


def test_setting_of_jax_takes_precedence(setting, tmp_path):
  jax.config.update('jax_compilation_cache_dir', str(tmp_path))
  compilation.keep_compiled('elsewhere')
  assert setting() == str(tmp_path)


def test_hosts_with_different_instructions_share_no_programs(
  tmp_path, monkeypatch
):
  kinds = set()
  for number, line in enumerate(['flags\t: fpu avx2', 'flags\t: fpu', 'bare']):
    info = tmp_path / str(number)
    info.write_text(f'processor\t: 0\n{line}\n')
    monkeypatch.setattr(compilation, '_CPU_INFO', info)
    kinds.add(compilation.host_kind())
  monkeypatch.setattr(compilation, '_CPU_INFO', tmp_path / 'absent')
  kinds.add(compilation.host_kind())
  # The last two only know the architecture.
  assert len(kinds) == 3


@pytest.mark.slow
@pytest.mark.usefixtures('warm_cache')
def test_run_with_kept_programs_gives_the_same_results(cli, rule_data):
  def train(model_dir, *more):
    out = cli.check_process(
      'train',
      *TRAIN,
      RULE,
      '--gin.MIXTURE_OR_TASK_NAME=rule_train',
      f'--gin.DATA_DIR={rule_data}',
      '--gin.CACHE_DIR=cache',
      f'--gin.MODEL_DIR={model_dir}',
      '--gin.TRAIN_STEPS=4',
      '--gin.EVAL_PERIOD=0',
      '--gin.COMPILATION_CACHE_DIR=kept',
      *more,
      JAX_COMPILATION_CACHE_DIR='',
      JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS='0',
    )
    assert 'compiled in' in out
    lines = (cli.folder / model_dir / 'metrics.jsonl').read_text().splitlines()
    return list(map(json.loads, lines))

  def kept():
    return {path.name for path in (cli.folder / 'kept').rglob('*-cache')}

  first = train('first', '--profile=2:3')
  assert list((cli.folder / 'first/profile').rglob('*.xplane.pb'))
  programs = kept()
  assert any('step_on_mesh' in name for name in programs)
  second = train('second')
  assert not any('step_on_mesh' in name for name in kept() - programs)
  for name in ('loss', 'gradient_norm', 'parameter_norm'):
    assert [r[name] for r in first] == [r[name] for r in second]
  assert not (cli.folder / 'second/profile').exists()
  assert {'matmul_share', 'examples_per_second'} <= set(second[-1])
  # The window must be within the remaining steps.
  code, _, error = cli(
    'train',
    *TRAIN,
    RULE,
    '--gin.MIXTURE_OR_TASK_NAME=rule_train',
    f'--gin.DATA_DIR={rule_data}',
    '--gin.CACHE_DIR=cache',
    '--gin.MODEL_DIR=first',
    '--gin.TRAIN_STEPS=8',
    '--profile=4:5',
  )
  assert code == 2 and 'takes, 5 to 8' in error


@pytest.mark.usefixtures('warm_cache')
def test_only_training_is_profiled(cli):
  code, _, error = cli(
    'eval', *SMALL, '--gin_file=runs/eval.gin', '--profile=1:2'
  )
  assert code == 2 and "unknown flag '--profile=1:2'" in error
