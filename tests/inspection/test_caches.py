"""`flan-jax inspect --cache` lists cached splits with their states."""

import json
import pathlib
import shutil

import gin
import numpy as np
import pytest

from flan_jax import cli as command_line
from flan_jax.cache.framing import CacheConfig
from flan_jax.cache.identity import split_folder
from flan_jax.definitions import registry
from flan_jax.sources.copies import copy_digest
from flan_jax.testing.cached_splits import named_split, write_cached_split
from flan_jax.vocabulary.load import load_vocabulary
from tests.inspection.pretend_copy import pretend_copy

registry.load()

_KEYS = (
  named_split('rte', 'train'),
  named_split('rte', 'validation'),
  named_split('rte', 'test'),
  named_split('wnli', 'test'),
)


@pytest.fixture(scope='module')
def config(tmp_path_factory) -> CacheConfig:
  data_dir = tmp_path_factory.mktemp('data')
  pretend_copy(data_dir, 'super_glue/rte/1.0.2', train=9, validation=9)
  pretend_copy(data_dir, 'glue/wnli/2.0.0', train=9, validation=9)
  return CacheConfig(str(tmp_path_factory.mktemp('cache')), str(data_dir))


@pytest.fixture(scope='module')
def cached(config) -> dict:
  """Key -> cached split, with random tokens."""
  found = {}
  for number, key in enumerate(_KEYS):
    copy = copy_digest(key.part.source, config.data_dir)
    folder = split_folder(key, config, load_vocabulary('mini'), copy)
    sizes = np.arange(3, 9 + number)
    found[key] = write_cached_split(
      f'{config.cache_dir}/{folder}', key.part.name, sizes, sizes
    )
  return found


@pytest.fixture
def copy(config, cached, tmp_path) -> pathlib.Path:
  """A cache that a test may damage."""
  return pathlib.Path(shutil.copytree(config.cache_dir, tmp_path / 'copy'))


@pytest.fixture(autouse=True)
def own_gin():
  yield
  gin.clear_config()


@pytest.fixture
def run(capsys, config):
  """Runs the command in this process; returns its output."""

  def run(folder, *arguments):
    code = command_line.main(
      [
        'inspect',
        '--cache',
        f'--gin.CACHE_DIR={folder}',
        f'--gin.DATA_DIR={config.data_dir}',
        *arguments,
      ]
    )
    out, error = capsys.readouterr()
    assert code == 0, error
    return out

  return run


@pytest.fixture
def inspect(run):
  return lambda *arguments: json.loads(run(*arguments, '--format=json'))


def _of_run(name):
  return '--gin_file=runs/cache.gin', f'--gin.MIXTURE_OR_TASK_NAME={name}'


def _states(found) -> dict:
  return {split['split']: split['state'] for split in found['splits']}


def _only(folder, pattern) -> pathlib.Path:
  (found,) = pathlib.Path(folder).glob(pattern)
  return found


def test_every_cached_split_is_listed(inspect, config, cached):
  found = inspect(config.cache_dir)
  listed = {split['split']: split for split in found['splits']}
  for key, split in cached.items():
    about = listed.pop(str(key))
    assert about['state'] == 'cached'
    assert pathlib.Path(config.cache_dir, about['folder']) == split.path
    assert about['rows'] == split.num_rows
    assert about['tokens'] == split.span_lengths.sum()
    size = sum(
      path.stat().st_size
      for path in split.path.glob('shard-*/*')
      if path.name != 'shard.json'
    )
    assert about['bytes'] == size
  assert not listed


def test_a_run_lists_the_splits_it_reads(inspect, run, config, cached):
  found = inspect(config.cache_dir, *_of_run('rte'))
  assert set(_states(found).values()) == {'cached'}
  assert len(found['splits']) == 3 and found['others'] == 1
  found = inspect(config.cache_dir, *_of_run('wnli'))
  assert _states(found) == {
    'wnli.train': 'missing',
    'wnli.validation': 'missing',
    'wnli.test': 'cached',
  }
  out = run(config.cache_dir, *_of_run('wnli'))
  assert '3 splits (1 cached, 2 missing)' in out
  assert all(len(line) <= 80 for line in out.splitlines()[1:])


@pytest.mark.parametrize(
  'setting',
  [
    "TASK_FEATURE_LENGTHS={'inputs': 128, 'targets': 16}",
    'PROMPT_FORMAT={input} =>',
  ],
)
def test_other_settings_are_not_taken_for_the_runs(
  inspect, config, cached, setting
):
  found = inspect(config.cache_dir, *_of_run('rte'), f'--gin.{setting}')
  assert [split['state'] for split in found['splits']] == (
    ['missing'] * 3 + ['other settings'] * 3
  )


def test_copies_are_told_apart_by_the_data_dir(inspect, copy):
  train = _only(copy, 'rte/rte.train-*')
  shutil.copytree(train, train.with_name(train.name[:-8] + '0' * 8))
  found = inspect(copy, *_of_run('rte'))
  states = [split['state'] for split in found['splits']]
  assert states == ['cached'] * 3 + ['other settings']


def test_damaged_and_unfinished_splits_are_found(inspect, run, copy):
  # A file that grew, and one with its length unchanged.
  train = _only(copy, 'rte/rte.train-*')
  with open(train / 'shard-00000-of-00001/tokens.bin', 'ab') as file:
    file.write(b'x')
  changed = _only(copy, 'rte/rte.validation-*/shard-*/rows.jsonl')
  changed.write_text(changed.read_text().replace('"id"', '"Id"'))
  _only(copy, 'rte/rte.test-*/manifest.json').unlink()
  (_only(copy, 'rte/rte.test-*/shard-*') / 'shard.json').write_text('{}')
  cut = _only(copy, 'wnli/wnli.test-*/manifest.json')
  cut.write_text(cut.read_text()[:99])
  expected = {
    'rte.train': 'damaged',
    'rte.validation': 'damaged',
    'rte.test': 'unfinished',
  }
  assert _states(inspect(copy, *_of_run('rte'))) == expected
  found = inspect(copy)
  assert _states(found) == {**expected, 'wnli.test': 'damaged'}
  reasons = {split['split']: split['reason'] for split in found['splits']}
  assert reasons['rte.test'].startswith('1 of 1 shards written')
  assert 'tokens.bin' in reasons['rte.train']
  assert '4 splits (1 unfinished, 3 damaged)' in run(copy)


def test_another_layout_is_not_called_damaged(inspect, copy):
  manifest = _only(copy, 'wnli/wnli.test-*/manifest.json')
  content = json.loads(manifest.read_text())
  manifest.write_text(json.dumps({**content, 'layout': 2}))
  assert _states(inspect(copy))['wnli.test'] == 'other settings'


def test_without_a_mixture_a_users_settings_do_not_matter(
  inspect, config, cached
):
  found = inspect(config.cache_dir, '--gin.PROMPT_FORMAT={input} =>')
  assert set(_states(found).values()) == {'cached'}


def test_an_empty_cache_is_an_empty_table(inspect, tmp_path):
  assert inspect(tmp_path)['splits'] == []
  assert _states(inspect(tmp_path / 'none', *_of_run('rte.2shot'))) == {
    'rte.train': 'missing',
    'rte.validation': 'missing',
    'rte.test': 'missing',
  }


def test_flags_of_other_views_are_refused(capsys):
  for flag in ('--rows=2', 'rte'):
    assert command_line.main(['inspect', '--cache', flag]) == 2
    assert flag in capsys.readouterr().err
