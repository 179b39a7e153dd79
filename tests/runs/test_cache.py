"""Caching that is killed goes on where it was, and ends up the same."""

import json
import pathlib

from flan_jax.cache.framing import CacheConfig
from flan_jax.cache.store import split_keys
from flan_jax.cache.writer import make_cached_splits
from flan_jax.definitions import registry
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


def test_killed_at_any_moment_and_started_again(cli, mini_data):
  flags = (
    'cache',
    '--gin_file=runs/cache.gin',
    f'--gin.MIXTURE_OR_TASK_NAME={_MIXTURE}',
    f'--gin.DATA_DIR={mini_data}',
    '--gin.CACHE_DIR=cache',
  )
  # Once between units, and once while a unit is written.
  for units in (1, 2):
    process = cli.start(*flags)
    seen = 0
    for line in process.stdout:
      seen += line.startswith('cached')
      if seen == units:
        break
    process.kill()
    process.wait()
    process.stdout.close()
    process.stderr.close()
  killed = _files(cli.folder / 'cache')
  out = cli.check(*flags)
  assert '0 are there' not in out
  found = _files(cli.folder / 'cache')
  whole = CacheConfig(
    str(cli.folder / 'whole'), mini_data, dict(DEFAULT_LENGTHS)
  )
  make_cached_splits(
    split_keys([_MIXTURE]),
    whole,
    load_vocabulary('mini'),
    log=lambda line: None,
  )
  assert found == _files(cli.folder / 'whole')
  # What was finished was not written again, but it was not all.
  assert len(killed) < len(found)
  assert 'nothing' not in cli.check(*flags)


def test_a_disk_without_room_is_one_line(cli, mini_data, tmp_path):
  # A file where the folder of caches should be stands for it.
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
  assert 'left out: anli_r3' in out and 'cached anli_r1' in out
  # Nor does a run come upon it later: on what it trains, what it evaluates.
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
  assert 'training on 2 parts' in out
  line = 'left out, as not prepared: anli_r3.train, anli_r3.test'
  folder = cli.folder / 'model/eval/anli'
  assert line in out.splitlines()
  assert line in (folder / records.TABLE).read_text().splitlines()
  results = json.loads((folder / records.RESULTS).read_text())
  assert results['left_out'] == ['anli_r3.train', 'anli_r3.test']
  assert {r['part'] for r in results['parts']} == {'anli_r1', 'anli_r2'}
