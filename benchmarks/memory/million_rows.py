"""Measures what it takes to cache and read a million short rows.

The rows are cached twice, by one process and by the local workers of Apache
Beam, and the two caches must be equal. Then they are read once. Each phase runs
in a process of its own, whose memory is watched. Prints JSON objects, the last
one the summary.
"""

from collections.abc import Iterator, Sequence
import dataclasses
import importlib.util
import os
import pathlib
import random
import time
from typing import Any

# JAX and TensorFlow read these when they are first imported.
os.environ['CUDA_VISIBLE_DEVICES'] = '-1'
os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'

from benchmarks.common import figures, flags
from benchmarks.memory.watching import private_mib, run_phase
from flan_jax.batches.loader import BatchPlan, PackingConfig
from flan_jax.batches.sampler import Sampler
from flan_jax.cache.cached_split import CachedSplit, find_cached_split
from flan_jax.cache.framing import CacheConfig, Framing
from flan_jax.definitions import registry
from flan_jax.runtime.tensorflow_start import start_tensorflow
from flan_jax.testing.cached_splits import named_split
from flan_jax.testing.rule import RULE
from flan_jax.vocabulary.load import MINI, load_vocabulary

_PACKAGES = ('apache-beam', 'tensorflow', 'tensorflow-datasets')
_NAME = 'short_rows'
_ROWS_PER_FILE = 50_000
_FEWEST_WORDS, _MOST_WORDS = 6, 24
_WORDS = (
  'the a some every near behind after with and or of quiet early grey slow '
  'bright walked carried watched painted counted left found today again often '
  'whale harbour sail tide reef horse meadow plough hedge barn'
).split()

registry.register(
  dataclasses.replace(
    RULE,
    name=_NAME,
    source=f'{_NAME}:1.0.0',
    splits={'train': 'train'},
    rows={'train': 1_000_000},
  )
)


def main(arguments: Sequence[str] | None = None) -> None:
  """Runs the phases one after the other."""
  parser = flags.parser(__doc__)
  add = parser.add_argument
  add('--rows', type=int, default=1_000_000, help='rows of the dataset')
  add('--workers', type=int, help='workers of Beam; default: one per core')
  add('--work_dir', help='keeps what is made; default: a temporary folder')
  flags.add_out(parser)
  settings = parser.parse_args(arguments)
  with figures.work_folder(settings.work_dir, 'million_rows') as folder:
    phases = {
      'write_rows': (write_rows, folder, settings.rows),
      'cache': (cache_rows, folder, 'one'),
    }
    with_beam = importlib.util.find_spec('apache_beam') is not None
    if with_beam:
      beam = (cache_rows, folder, 'beam', settings.workers)
      phases['cache_with_beam'] = beam
    phases['read'] = (_read, folder)
    summary: dict[str, Any] = {'rows': settings.rows}
    for name, (function, *values) in phases.items():
      summary[name] = dataclasses.asdict(run_phase(function, *values))
      figures.print_line(phase=name, **summary[name])
    if with_beam:
      one, beam = (_find(folder, name).digest for name in ('one', 'beam'))
      summary['caches_equal'] = one == beam
  versions = figures.versions(_PACKAGES)
  figures.finish(settings.out, **summary, versions=versions)


def _config(folder: pathlib.Path, name: str) -> CacheConfig:
  return CacheConfig(str(folder / f'cache_{name}'), str(folder / 'tfds'))


def _find(
  folder: pathlib.Path, name: str, templates: tuple[int, ...] | None = None
) -> CachedSplit:
  key = named_split(_NAME, 'train', templates)
  return find_cached_split(key, _config(folder, name), load_vocabulary(MINI))


def write_rows(folder: pathlib.Path, rows: int) -> dict[str, Any]:
  """Writes a TFDS folder file by file, so that memory holds one file."""
  start_tensorflow()
  import tensorflow_datasets as tfds

  data_dir = folder / 'tfds' / _NAME / '1.0.0'
  data_dir.mkdir(parents=True, exist_ok=True)
  identity = tfds.core.dataset_builder.dataset_info.DatasetIdentity(
    _NAME, tfds.core.Version('1.0.0'), os.fspath(data_dir), __name__
  )
  label = tfds.features.ClassLabel(names=list(RULE.choices))
  features = {'words': tfds.features.Text(), 'label': label}
  info = tfds.core.DatasetInfo(
    builder=identity, features=tfds.features.FeaturesDict(features)
  )
  writer = tfds.core.SequentialWriter(info, _ROWS_PER_FILE)
  writer.initialize_splits(['train'])
  for start in range(0, rows, _ROWS_PER_FILE):
    numbers = range(start, min(start + _ROWS_PER_FILE, rows))
    writer.add_examples({'train': _rows(numbers)})
  writer.close_all()
  return {}


def _rows(numbers: range) -> Iterator[dict[str, Any]]:
  """Yields rows; the number in each text makes it unique."""
  generator = random.Random(numbers.start)
  for number in numbers:
    count = generator.randint(_FEWEST_WORDS, _MOST_WORDS)
    words = ' '.join(generator.choices(_WORDS, k=count))
    yield {'words': f'{number}: {words}', 'label': number % 2}


def cache_rows(
  folder: pathlib.Path,
  name: str,
  workers: int | None = None,
  templates: tuple[int, ...] | None = None,
) -> dict[str, Any]:
  """Caches the rows.

  Args:
    folder: That of `write_rows`.
    name: Of the cache: `one` is made by one process, `beam` by Beam.
    workers: Workers of Beam; None for one per core.
    templates: Templates under which the rows are cached; None for all.
  """
  start_tensorflow()
  from flan_jax.cache.writer import CacheWriter, run_here

  run = run_here
  if name == 'beam':
    from flan_jax.cache import beam

    run = beam.make_runner(beam.local_options(workers))
  key = named_split(_NAME, 'train', templates)
  writer = CacheWriter([key], _config(folder, name), load_vocabulary(MINI))
  missing = writer.plan().rows
  begin = time.perf_counter()
  writer.make(log=lambda line: None, run=run)
  seconds = time.perf_counter() - begin
  split = _find(folder, name, templates)
  return {
    'rows': split.num_rows,
    'tokens': split.manifest['counts']['tokens'],
    # Not all of them if an earlier run has left shards.
    'rows_cached': missing,
    'rows_cached_per_second': round(missing / seconds, 1) if missing else None,
  }


def open_plan(
  folder: pathlib.Path, templates: tuple[int, ...] | None = None
) -> BatchPlan:
  """Returns the batches of a cache that one process has made."""
  split = _find(folder, 'one', templates)
  framing = Framing.of(_config(folder, 'one'), load_vocabulary(MINI))
  return BatchPlan(Sampler([split], framing, seed=0), PackingConfig())


def _read(folder: pathlib.Path) -> dict[str, Any]:
  """Reads as many examples as there are rows: almost every row once."""
  begin = time.perf_counter()
  plan = open_plan(folder)
  opened = time.perf_counter() - begin
  (split,) = plan.sampler.splits
  examples = tokens = step = 0
  memory = {}
  begin = time.perf_counter()
  while examples < split.num_rows:
    segments = plan.batch(step)['segments']
    examples += int(segments.max(axis=1).sum())
    tokens += int((segments > 0).sum())
    step += 1
    for share in (0.25, 0.5, 0.75, 1):
      if share not in memory and examples >= share * split.num_rows:
        memory[share] = private_mib()
  seconds = time.perf_counter() - begin
  return {
    'seconds_to_open': round(opened, 3),
    'batches': step,
    'examples': examples,
    'tokens_per_second': round(tokens / seconds),
    'private_mib_after_share': memory,
  }


if __name__ == '__main__':
  main()
