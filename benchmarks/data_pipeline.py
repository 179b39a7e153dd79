"""Compares this project's input with SeqIO's and Hugging Face's, in one run.

  python -m benchmarks.data_pipeline
  python -m benchmarks.data_pipeline --data_dir=TFDS_DIR --mixture=NAME

The README beside says what is compared. Each line is a JSON object, the last
one the summary.
"""

import argparse
from collections.abc import Sequence
import importlib.metadata
import itertools
import os
import pathlib
import tempfile
from typing import Any

# Read when JAX and TensorFlow are first imported: the host is measured.
os.environ['CUDA_VISIBLE_DEVICES'] = '-1'
os.environ['JAX_PLATFORMS'] = 'cpu'
os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'

from benchmarks import corpus, measuring, sides
from benchmarks.measuring import Measurement, Side, ratio, say, spread
from benchmarks.own_side import OwnSide
from flan_jax.batches.loader import PackingConfig
from flan_jax.cache.cached_split import CacheConfig
from flan_jax.definitions import registry
from flan_jax.runtime.tensorflow_start import start_tensorflow
from flan_jax.vocabulary.load import load_vocabulary

_PACKAGES = (
  'numpy',
  'jax',
  'tensorflow',
  'seqio',
  'apache-beam',
  'datasets',
  'trl',
)
_FAR_STEP = 30_000
# Batches whose texts are looked up among the cache's.
_COMPARED = 20


def main(arguments: Sequence[str] | None = None) -> None:
  """Runs the comparison."""
  flags = _parse(arguments)
  start_tensorflow()
  registry.load(flags.task_module)
  if flags.work_dir:
    _compare(flags, pathlib.Path(flags.work_dir))
    return
  with tempfile.TemporaryDirectory(prefix='data_pipeline_') as folder:
    _compare(flags, pathlib.Path(folder))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    description=__doc__.partition('\n')[0], allow_abbrev=False
  )
  parts = ','.join(texts.part for texts in corpus.DATASETS)
  add = parser.add_argument
  add('--mixture', help='yours; default: texts that are generated')
  add('--data_dir', help='TFDS data directory of --mixture')
  add('--task_module', action='append', default=[], help='registers --mixture')
  add('--datasets', default=parts, help='of the generated texts')
  add('--rows', type=int, default=2000, help='of each generated dataset')
  add('--vocabulary', default='mini', help='a SentencePiece model')
  add('--lengths', default='1024,256', help='of inputs and targets, in tokens')
  add('--pack_length', type=int, default=2048, help='tokens of a row')
  add('--batch_rows', type=int, default=4)
  add('--sides', default=','.join(sides.SIDES), help='who is measured')
  add('--warmup', type=int, default=200, help='batches, not counted')
  add('--seconds', type=float, default=15, help='of one measurement')
  add('--repetitions', type=int, default=5)
  add('--seed', type=int, default=0)
  add('--work_dir', help='keeps what is made; default: a temporary folder')
  flags = parser.parse_args(arguments)
  flags.sides = flags.sides.split(',')
  if not {sides.OWN} <= set(flags.sides) <= set(sides.SIDES):
    parser.error(
      f'--sides: some of {",".join(sides.SIDES)}, {sides.OWN} among them'
    )
  return flags


def _compare(flags: argparse.Namespace, folder: pathlib.Path) -> None:
  task = _task(flags, folder)
  own = OwnSide(
    task.mixture, task.config, task.vocabulary, task.packing, task.seed
  )
  facts = _make_own_cache(own)
  left_out = {n: why for n in flags.sides if (why := sides.unavailable(n))}
  started = []
  for name in flags.sides:
    if name not in left_out:
      started.append(sides.open_side(name, task, own))
      side = started[-1]
      say(
        started=name,
        seconds_to_prepare=side.seconds_to_prepare,
        seconds_to_first_batch=round(side.seconds_to_first_batch, 3),
      )
  measuring.warm_page_cache(folder)
  shared = _shared_texts(started, own)
  for side in started:
    for _ in itertools.islice(side.batches, flags.warmup):
      pass
  measurements = measuring.measure_in_turn(
    started, flags.repetitions, flags.seconds
  )
  say(
    **_summary(started, measurements, shared),
    **_seek(own, flags.repetitions),
    **facts,
    left_out=left_out,
    settings=vars(flags),
    versions=_versions(),
    **measuring.machine(),
  )


def _task(flags: argparse.Namespace, folder: pathlib.Path) -> sides.Task:
  mixture, data_dir = flags.mixture, flags.data_dir
  if mixture is None:
    mixture = corpus.MIXTURE
    data_dir = corpus.make_corpus(
      folder, flags.datasets.split(','), flags.rows, flags.seed
    )
  inputs, targets = map(int, flags.lengths.split(','))
  return sides.Task(
    mixture=mixture,
    config=CacheConfig(
      str(folder / 'cache'),
      data_dir,
      lengths={'inputs': inputs, 'targets': targets},
    ),
    vocabulary=load_vocabulary(flags.vocabulary),
    packing=PackingConfig(
      batch_rows=flags.batch_rows,
      pack_length=flags.pack_length,
    ),
    seed=flags.seed,
    folder=folder,
  )


def _make_own_cache(own: OwnSide) -> dict[str, Any]:
  rows, seconds = own.make_cache()
  counts = [unit.manifest['counts'] for unit in own.units()]
  renderings = sum(count['renderings'] for count in counts)
  facts = {
    # Unknown where an earlier run has left the cache.
    'rows_cached_per_second': round(rows / seconds, 1) if rows else None,
    'renderings_cached_per_second': (
      round(renderings / seconds, 1) if rows else None
    ),
    'rows': sum(count['rows'] for count in counts),
    'renderings': renderings,
    'tokens': sum(count['tokens'] for count in counts),
  }
  say(own_cache=facts)
  return facts


def _shared_texts(started: Sequence[Side], own: OwnSide) -> dict[str, float]:
  """Returns the share of each side's examples that the cache has as well."""
  known = own.every_sequence()
  shared = {}
  for side in started:
    if side.sequence is not None:
      found = [
        sequence in known
        for batch in itertools.islice(side.batches, _COMPARED)
        for sequence in measuring.sequences(side, batch)
      ]
      shared[side.name] = round(sum(found) / len(found), 4)
  return shared


def _seek(own: OwnSide, repetitions: int) -> dict[str, float]:
  """Returns the seconds to a near and a far batch, nothing planned."""
  near = [own.seconds_to_seek(0) for _ in range(repetitions)]
  far = [own.seconds_to_seek(_FAR_STEP) for _ in range(repetitions)]
  return {
    'seconds_to_seek': spread(far)['median'],
    'seconds_to_seek_step_0': spread(near)['median'],
  }


def _summary(
  started: Sequence[Side],
  measurements: Sequence[Measurement],
  shared: dict[str, float],
) -> dict[str, Any]:
  described = {}
  for side in started:
    mine = [m for m in measurements if m.side == side.name]
    described[side.name] = {
      'tokens_per_second': spread([m.tokens_per_second for m in mine]),
      'tokens_per_cpu_second': spread([m.tokens / m.cpu_seconds for m in mine]),
      'fill': round(sum(m.fill for m in mine) / len(mine), 4),
      'seconds_to_first_batch': round(side.seconds_to_first_batch, 3),
      'seconds_to_prepare': side.seconds_to_prepare,
      'texts_shared': shared.get(side.name),
    }
  ratios = {
    name: ratio(measurements, sides.OWN, name)
    for name in described
    if name != sides.OWN
  }
  own = described[sides.OWN]
  return {
    'ratio_to_seqio_online': _ratio_to(ratios, sides.ONLINE),
    'ratio_to_seqio_cached': _ratio_to(ratios, *sides.CACHED),
    'ratio_to_hugging_face': _ratio_to(ratios, sides.TRAINED),
    'ratio_to_hugging_face_arrow': _ratio_to(ratios, sides.ARROW),
    'fill': own['fill'],
    'seconds_to_first_batch': own['seconds_to_first_batch'],
    'ratios': ratios,
    'sides': described,
  }


def _ratio_to(ratios: dict[str, dict[str, float]], *names: str) -> float | None:
  """Returns the ratio to the fastest of some sides, None without any."""
  found = [ratios[name]['median'] for name in names if name in ratios]
  return min(found, default=None)


def _versions() -> dict[str, str | None]:
  versions = {}
  for name in _PACKAGES:
    try:
      versions[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
      versions[name] = None
  return versions


if __name__ == '__main__':
  main()
