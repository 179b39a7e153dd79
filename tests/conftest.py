"""Eight CPU devices for every test, and the folder of real rows."""

import os
import pathlib

import pytest

# Read once, when JAX and TensorFlow are first imported.
os.environ['CUDA_VISIBLE_DEVICES'] = '-1'
os.environ['JAX_PLATFORMS'] = 'cpu'
os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
os.environ['XLA_FLAGS'] = ' '.join(
  (
    os.environ.get('XLA_FLAGS', ''),
    '--xla_force_host_platform_device_count=8',
    # Tests compile much and compute little.
    '--xla_backend_optimization_level=0',
    '--xla_llvm_disable_expensive_passes=true',
  )
)

import jax

from tests.command_line import Cli

# An array that is broadcast to a higher rank by accident is an error.
jax.config.update('jax_numpy_rank_promotion', 'raise')

_CHECKOUT = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture(scope='session')
def real_data() -> pathlib.Path:
  """Folder of real rows, one JSON Lines file a dataset; skips without it."""
  folder = pathlib.Path(
    os.environ.get('FLAN_JAX_REAL_DATA', _CHECKOUT.parent / 'shared/data')
  )
  if not folder.is_dir():
    pytest.skip(f'no real rows at {folder}: set FLAN_JAX_REAL_DATA')
  return folder


@pytest.fixture(scope='session')
def mini_data(tmp_path_factory) -> str:
  """The mini corpus as a TFDS directory."""
  from flan_jax.sources import tfds_import

  folder = tmp_path_factory.mktemp('mini') / 'tfds'
  tfds_import.import_rows(
    tfds_import.mini_corpus(), str(folder), log=lambda line: None
  )
  return str(folder)


@pytest.fixture(scope='session')
def rule_data(tmp_path_factory) -> str:
  """The generated dataset with a known rule as a TFDS directory."""
  return _rule_data(tmp_path_factory.mktemp('rule'), shuffle_labels=False)


@pytest.fixture(scope='session')
def shuffled_rule_data(tmp_path_factory) -> str:
  """The same with shuffled labels."""
  return _rule_data(tmp_path_factory.mktemp('shuffled'), shuffle_labels=True)


def _rule_data(folder: pathlib.Path, shuffle_labels: bool) -> str:
  from flan_jax.sources import tfds_import
  from flan_jax.testing import rule
  from flan_jax.testing.row_files import write_rows

  write_rows(
    folder / 'rows',
    'rule',
    {'words': 'text', 'label': list(rule.RULE.choices)},
    rule.rows(shuffle_labels=shuffle_labels),
  )
  tfds_import.import_rows(
    folder / 'rows', str(folder / 'tfds'), log=lambda line: None
  )
  return str(folder / 'tfds')


@pytest.fixture(scope='session')
def compiled(tmp_path_factory) -> pathlib.Path:
  return tmp_path_factory.mktemp('compiled')


@pytest.fixture
def cli(tmp_path, compiled) -> Cli:
  return Cli(tmp_path, compiled)


@pytest.fixture(scope='session')
def kept_cache(tmp_path_factory) -> pathlib.Path:
  return tmp_path_factory.mktemp('kept_cache')


@pytest.fixture
def warm_cache(tmp_path, kept_cache) -> None:
  """`cache` in the test's folder holds the units that tests before it made."""
  (tmp_path / 'cache').symlink_to(kept_cache)
