"""Caching resumes after a kill and ends up the same."""

import json
import pathlib

import pytest

from flan_jax.cache.framing import CacheConfig
from flan_jax.cache.store import split_keys
from flan_jax.cache.writer import make_cached_splits
from flan_jax.definitions import registry
from flan_jax.definitions.names import resolve
from flan_jax.evaluation import records
from flan_jax.rendering.lengths import DEFAULT_LENGTHS
from flan_jax.vocabulary.load import load_vocabulary
from tests.command_line import LENGTHS, TRAIN

registry.load()

_MIXTURE = 'flan_eval_paraphrase'


def _files(root: pathlib.Path) -> dict[str, bytes]:
  return {
    str(path.relative_to(root)): path.read_bytes()
    for path in root.rglob('*')
    if path.is_file()
  }


@pytest.mark.slow
def test_killed_at_any_moment_and_started_again(cli, mini_data):
  flags = (
    'cache',
    '--gin_file=runs/cache.gin',
    f'--gin.MIXTURE_OR_TASK_NAME={_MIXTURE}',
    f'--gin.DATA_DIR={mini_data}',
    '--gin.CACHE_DIR=cache',
    '--verbose',
  )
  # Once between splits, and once while a split is written.
  for splits in (1, 2):
    process = cli.start(*flags)
    seen = 0
    for line in process.stdout:
      seen += line.startswith('cached')
      if seen == splits:
        break
    process.kill()
    process.wait()
    process.stdout.close()
    process.stderr.close()
  killed = _files(cli.folder / 'cache')
  out = cli.check(*flags)
  assert 'more found)' in out
  found = _files(cli.folder / 'cache')
  whole = CacheConfig(
    str(cli.folder / 'whole'), mini_data, dict(DEFAULT_LENGTHS)
  )
  make_cached_splits(
    split_keys([resolve(_MIXTURE)]),
    whole,
    load_vocabulary('mini'),
    log=lambda line: None,
  )
  assert found == _files(cli.folder / 'whole')
  # Some splits were complete before, but not all.
  assert len(killed) < len(found)
  count = len(split_keys([resolve(_MIXTURE)]))
  assert cli.check(*flags) == f'{count} splits found: nothing to cache\n'


def test_a_file_in_place_of_the_cache_is_named(cli, mini_data, tmp_path):
  (tmp_path / 'cache').write_text('')
  code, _, error = cli(
    'cache',
    '--gin_file=runs/cache.gin',
    '--gin.MIXTURE_OR_TASK_NAME=rte',
    f'--gin.DATA_DIR={mini_data}',
    '--gin.CACHE_DIR=cache',
  )
  assert code == 2
  assert len(error.splitlines()) == 1 and 'cache' in error


@pytest.mark.slow
def test_what_is_missing_is_left_out_and_results_say_so(cli, mini_data):
  data = cli.folder / 'tfds'
  (data / 'anli').mkdir(parents=True)
  for name in ('r1', 'r2'):
    source = pathlib.Path(mini_data) / 'anli' / name
    (data / 'anli' / name).symlink_to(source)
  flags = (
    '--gin.MIXTURE_OR_TASK_NAME=anli',
    f'--gin.DATA_DIR={data}',
    '--gin.CACHE_DIR=cache',
    LENGTHS,
  )
  code, _, error = cli('cache', '--gin_file=runs/cache.gin', *flags)
  assert code == 2 and 'flan-jax prepare' in error
  assert not (cli.folder / 'cache').exists()
  out = cli.check(
    'cache', '--gin_file=runs/cache.gin', *flags, '--allow_missing'
  )
  assert 'left out: anli_r3' in out and 'Caching 6 splits: ' in out
  assert out.splitlines()[-1].startswith('Cached 6 splits: ')
  # A run leaves it out as well, in training and in evaluation.
  out = cli.check(
    'train',
    *TRAIN,
    *flags,
    '--gin.EVAL_MIXTURE=anli',
    '--gin.MODEL_DIR=model',
    '--gin.TRAIN_STEPS=1',
    '--gin.EVAL_PERIOD=0',
    '--gin.MAX_EVAL_ROWS=1',
    '--allow_missing',
  )
  assert 'training on 2 subsets' in out
  line = 'left out because not prepared: anli_r3.train, anli_r3.test'
  folder = cli.folder / 'model/eval/anli'
  assert line in out.splitlines()
  assert line in (folder / records.TABLE).read_text().splitlines()
  results = json.loads((folder / records.RESULTS).read_text())
  assert results['left_out'] == ['anli_r3.train', 'anli_r3.test']
  assert {r['part'] for r in results['parts']} == {'anli_r1', 'anli_r2'}
