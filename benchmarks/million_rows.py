"""Caches and reads a million rows, and says what that took.

  python -m benchmarks.million_rows

The rows are cached twice: by one process, and by the local workers of Apache
Beam; the two caches must be equal. Then they are read once. Each phase runs in
a process of its own; the memory of its tree is watched. Each line is JSON, the
last one the summary.
"""

import argparse
from collections.abc import Sequence
import dataclasses
import importlib.util
import os
import pathlib
import tempfile
import time
from typing import Any

# Read when JAX and TensorFlow are first imported.
os.environ['CUDA_VISIBLE_DEVICES'] = '-1'
os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'

import psutil

from benchmarks import short_rows
from benchmarks.measuring import machine, say
from benchmarks.process_memory import run_phase
from flan_jax.batches.loader import BatchPlan, PackingConfig
from flan_jax.batches.sampler import Sampler
from flan_jax.cache.cached_split import (
  CacheConfig,
  Framing,
  SplitKey,
  find_cached_split,
)
from flan_jax.runtime.tensorflow_start import start_tensorflow
from flan_jax.vocabulary.load import MINI, load_vocabulary

_KEY = SplitKey(short_rows.NAME, 'train')


def main(arguments: Sequence[str] | None = None) -> None:
  """Runs the phases one after the other."""
  parser = argparse.ArgumentParser(
    description=__doc__.partition('\n')[0], allow_abbrev=False
  )
  parser.add_argument('--rows', type=int, default=1_000_000)
  parser.add_argument(
    '--workers', type=int, help='of Beam; default: one a core'
  )
  parser.add_argument(
    '--work_dir', help='keeps what is made; default: a temporary folder'
  )
  flags = parser.parse_args(arguments)
  if flags.work_dir:
    _run(flags, pathlib.Path(flags.work_dir))
    return
  with tempfile.TemporaryDirectory(prefix='million_rows_') as folder:
    _run(flags, pathlib.Path(folder))


def _run(flags: argparse.Namespace, folder: pathlib.Path) -> None:
  phases = {'write_rows': (_write, folder, flags.rows)}
  phases['cache'] = (_cache, folder, 'one')
  if importlib.util.find_spec('apache_beam'):
    phases['cache_with_beam'] = (_cache, folder, 'beam', flags.workers)
  phases['read'] = (_read, folder)
  summary: dict[str, Any] = {'rows': flags.rows}
  for name, (function, *values) in phases.items():
    summary[name] = dataclasses.asdict(run_phase(function, *values))
    say(phase=name, **summary[name])
  if 'cache_with_beam' in summary:
    summary['caches_equal'] = _digest(folder, 'one') == _digest(folder, 'beam')
  say(**summary, **machine())


def _config(folder: pathlib.Path, name: str) -> CacheConfig:
  return CacheConfig(str(folder / f'cache_{name}'), str(folder / 'tfds'))


def _write(folder: pathlib.Path, rows: int) -> dict[str, Any]:
  start_tensorflow()
  short_rows.write(folder / 'tfds', rows)
  return {}


def _cache(
  folder: pathlib.Path, name: str, workers: int | None = None
) -> dict[str, Any]:
  start_tensorflow()
  from flan_jax.cache.writer import CacheWriter, run_here

  run = run_here
  if name == 'beam':
    from flan_jax.cache import beam

    run = beam.make_runner(beam.local_options(workers))
  writer = CacheWriter([_KEY], _config(folder, name), load_vocabulary(MINI))
  todo = writer.plan().rows
  begin = time.perf_counter()
  writer.make(log=lambda line: None, run=run)
  seconds = time.perf_counter() - begin
  (unit,) = writer.units()
  return {
    'rows': unit.num_rows,
    'tokens': unit.manifest['counts']['tokens'],
    # Less than all, or none, where an earlier run has left shards.
    'rows_cached': todo,
    'rows_cached_per_second': round(todo / seconds, 1) if todo else None,
  }


def _digest(folder: pathlib.Path, name: str) -> str:
  return find_cached_split(
    _KEY, _config(folder, name), load_vocabulary(MINI)
  ).digest


def _read(folder: pathlib.Path) -> dict[str, Any]:
  """Reads as many examples as there are rows: all of them, nearly, once."""
  config, vocabulary = _config(folder, 'one'), load_vocabulary(MINI)
  begin = time.perf_counter()
  unit = find_cached_split(_KEY, config, vocabulary)
  opened = time.perf_counter() - begin
  sampler = Sampler([unit], Framing.of(config, vocabulary), seed=0)
  plan = BatchPlan(sampler, PackingConfig())
  examples = tokens = step = 0
  memory = {}
  begin = time.perf_counter()
  while examples < unit.num_rows:
    segments = plan.batch(step)['segments']
    examples += int(segments.max(axis=1).sum())
    tokens += int((segments > 0).sum())
    step += 1
    for share in (0.25, 0.5, 0.75, 1):
      if share not in memory and examples >= share * unit.num_rows:
        memory[share] = _private_mib()
  seconds = time.perf_counter() - begin
  return {
    'seconds_to_open': round(opened, 3),
    'batches': step,
    'examples': examples,
    'tokens_per_second': round(tokens / seconds),
    'private_mib_after_share': memory,
  }


def _private_mib() -> int:
  memory = psutil.Process().memory_info()
  return round((memory.rss - memory.shared) / 2**20)


if __name__ == '__main__':
  main()
