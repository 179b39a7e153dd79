"""Simulates eight CPU devices; fixtures that tests of several rooms share."""

from collections.abc import Iterator
import os
import pathlib
import sys

import pytest

from tests.compile_flags import CHEAP_PROGRAMS

# Read once, when JAX and TensorFlow are first imported.
os.environ['CUDA_VISIBLE_DEVICES'] = '-1'
os.environ['JAX_PLATFORMS'] = 'cpu'
os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
os.environ['XLA_FLAGS'] = ' '.join(
  (
    os.environ.get('XLA_FLAGS', ''),
    '--xla_force_host_platform_device_count=8',
    CHEAP_PROGRAMS,
  )
)
# In processes that tests start too. See `optimized`.
os.environ['JAX_DISABLE_MOST_OPTIMIZATIONS'] = '1'
# Many tests and processes compile the same small programs, and import the same
# modules.
os.environ['JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'] = '0'
os.environ.pop('PYTHONDONTWRITEBYTECODE', None)

import hypothesis
import jax

from flan_jax.runtime import tensorflow_start
from tests.browser import browser as browser  # A fixture.
from tests.bucket import bucket as bucket  # A fixture.
from tests.bucket import bucket_server as bucket_server  # A fixture.
from tests.command_line import Cli
from tests.own_datasets import own_folder as own_folder  # A fixture.
from tests.own_datasets import own_registry as own_registry  # A fixture.
from tests.shared_folders import code_digest, make_once

sys.dont_write_bytecode = False

# A slow machine is not a failure.
hypothesis.settings.register_profile('tests', deadline=None)
hypothesis.settings.load_profile('tests')

# An array that is broadcast to a higher rank by accident is an error.
jax.config.update('jax_numpy_rank_promotion', 'raise')

_CHECKOUT = pathlib.Path(__file__).resolve().parent.parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
  """Marks the cases of a `slow_but_first` test slow, but for the first."""
  seen: set[str] = set()
  for item in items:
    if item.get_closest_marker('slow_but_first'):
      name = item.nodeid.split('[')[0]
      if name in seen:
        item.add_marker('slow')
      seen.add(name)


@pytest.fixture(scope='session')
def real_data() -> pathlib.Path:
  """Folder of real rows, one JSON Lines file per dataset; skips without it."""
  folder = pathlib.Path(
    os.environ.get('FLAN_JAX_REAL_DATA', _CHECKOUT.parent / 'shared/data')
  )
  if not folder.is_dir():
    pytest.skip(f'no real rows at {folder}: set FLAN_JAX_REAL_DATA')
  return folder


@pytest.fixture(scope='session')
def shared(request, tmp_path_factory) -> pathlib.Path:
  """Folder that all workers and runs share; `--cache-clear` empties it."""
  cache = getattr(request.config, 'cache', None)
  if cache is None:
    return tmp_path_factory.mktemp('shared')
  return cache.mkdir('flan_jax')


@pytest.fixture(scope='session', autouse=True)
def compiled(shared) -> pathlib.Path:
  """Where compiled programs are kept; nothing goes to the home directory."""
  folder = shared / 'compiled'
  jax.config.update('jax_compilation_cache_dir', str(folder))
  return folder


@pytest.fixture(scope='module')
def optimized() -> Iterator[None]:
  """Optimizes compiled programs, for tests that compute much."""
  jax.config.update('jax_disable_most_optimizations', False)
  yield
  jax.config.update('jax_disable_most_optimizations', True)


@pytest.fixture(scope='session')
def mini_data(shared) -> str:
  """The mini corpus as a TFDS directory."""

  def make(folder: pathlib.Path) -> None:
    from flan_jax.sources import tfds_import

    tfds_import.import_rows(
      tfds_import.mini_corpus(), str(folder), log=lambda line: None
    )

  # As `flan-jax cache` does; small splits take less time then.
  tensorflow_start.skip_graph_optimization()
  name = f'mini-{code_digest(["mini", "sources"])}'
  return str(make_once(shared / name, make))


@pytest.fixture(scope='session')
def rule_data(shared) -> str:
  """The generated dataset with a known rule as a TFDS directory."""
  return _rule_data(shared / 'rule', shuffle_labels=False)


@pytest.fixture(scope='session')
def shuffled_rule_data(shared) -> str:
  """The same with shuffled labels."""
  return _rule_data(shared / 'shuffled_rule', shuffle_labels=True)


def _rule_data(path: pathlib.Path, shuffle_labels: bool) -> str:
  def make(folder: pathlib.Path) -> None:
    from flan_jax.sources import tfds_import
    from flan_jax.testing import rule
    from flan_jax.testing.row_files import write_rows

    rows = folder.with_name('rows')
    write_rows(rows, rule.RULE, rule.rows(shuffle_labels=shuffle_labels))
    tfds_import.import_rows(rows, str(folder), log=lambda line: None)

  name = f'{path.name}-{code_digest(["testing", "sources"])}'
  return str(make_once(path.with_name(name), make))


@pytest.fixture(scope='session')
def shared_cache(shared) -> pathlib.Path:
  """Folder of cached splits that tests may add to but not change.

  The folder's name contains a digest of the code that makes splits, and each
  split's path a digest of what it was made from.
  """
  rooms = ('cache', 'definitions', 'rendering', 'vocabulary')
  folder = shared / f'cache-{code_digest(rooms)}'
  folder.mkdir(exist_ok=True)
  return folder


@pytest.fixture
def cli(tmp_path, compiled, capfd) -> Cli:
  return Cli(tmp_path, compiled, capfd)


@pytest.fixture
def warm_cache(tmp_path, shared_cache) -> None:
  """Makes `cache` in the test's folder the shared folder of cached splits."""
  (tmp_path / 'cache').symlink_to(shared_cache)
