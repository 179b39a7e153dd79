"""Caching that is killed goes on where it was, and ends up the same."""

import pathlib

from flan_jax.data import registry
from flan_jax.data.cache import DEFAULT_LENGTHS, CacheConfig
from flan_jax.data.cache_writer import make_units
from flan_jax.data.vocabulary import load_vocabulary
from flan_jax.runs.cache import unit_keys

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
  make_units(
    unit_keys([_MIXTURE]), whole, load_vocabulary('mini'), log=lambda line: None
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


def test_what_is_missing_is_left_out_and_every_result_says_so(cli, mini_data):
  data = cli.folder / 'tfds'
  (data / 'glue').mkdir(parents=True)
  (data / 'glue/mrpc').symlink_to(pathlib.Path(mini_data) / 'glue/mrpc')
  flags = (
    '--gin.MIXTURE_OR_TASK_NAME=flan_eval_paraphrase',
    f'--gin.DATA_DIR={data}',
    '--gin.CACHE_DIR=cache',
  )
  code, _, error = cli('cache', '--gin_file=runs/cache.gin', *flags)
  assert code == 2 and 'flan-jax prepare' in error
  assert not (cli.folder / 'cache').exists()
  out = cli.check(
    'cache', '--gin_file=runs/cache.gin', *flags, '--allow_missing'
  )
  assert 'left out: glue_qqp' in out and 'cached glue_mrpc' in out
