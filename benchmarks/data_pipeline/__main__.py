"""Compares this project's input with those of SeqIO and Hugging Face.

Prints JSON objects, the last one the summary; see benchmarks/README.md.
"""

import argparse
from collections.abc import Sequence
import os
import pathlib
from typing import Any

# JAX and TensorFlow read these when they are first imported.
os.environ['CUDA_VISIBLE_DEVICES'] = '-1'
os.environ['JAX_PLATFORMS'] = 'cpu'
os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'

from benchmarks.common import figures, flags
from benchmarks.common.comparison import Comparison, Runner
from benchmarks.data_pipeline import corpus, results, sides
from benchmarks.data_pipeline.own import OwnSide, Task
from flan_jax.batches.loader import PackingConfig
from flan_jax.batches.window import WindowStart
from flan_jax.cache.framing import CacheConfig
from flan_jax.definitions import registry
from flan_jax.runtime.tensorflow_start import start_tensorflow
from flan_jax.vocabulary.load import load_vocabulary

_PACKAGES = 'numpy jax tensorflow seqio apache-beam datasets trl'.split()
# Where windows begin; a late checkpoint would name the far one.
_SEEK = {
  'seconds_to_seek': WindowStart(window=10_000, step=1_000_000),
  'seconds_to_seek_step_0': WindowStart(),
}


def main(arguments: Sequence[str] | None = None) -> None:
  """Runs the comparison."""
  settings = _parse(arguments)
  start_tensorflow()
  registry.load(settings.task_module)
  with figures.work_folder(settings.work_dir, 'data_pipeline') as folder:
    task = _task(settings, folder)
    own = OwnSide(task)
    facts = _make_own_cache(own)
    started, left_out = [], {}
    for name in settings.sides:
      if why := sides.unavailable(name):
        left_out[name] = why
        continue
      started.append(sides.start(name, task, own))
      figures.print_line(started=name, **started[-1].facts)
    for path in folder.rglob('*'):  # Into the page cache.
      if path.is_file():
        path.read_bytes()
    shared = results.shared_texts(started, own)
    comparison = Comparison()
    for side in started:
      side.skip(settings.warmup)
    by_name = {side.name: side for side in started}
    work = dict.fromkeys(map(Runner, by_name))
    rounds = range(settings.repetitions)
    for number in rounds:
      comparison.take_turns(
        by_name, results.CASE, number, work, seconds=settings.seconds
      )
    seek = {
      name: figures.median(
        figures.spread([own.seconds_to_seek(start) for _ in rounds])
      )
      for name, start in _SEEK.items()
    }
    figures.finish(
      settings.out,
      **results.summary(comparison, started, shared),
      **seek,
      **facts,
      left_out=left_out,
      settings=vars(settings),
      versions=figures.versions(_PACKAGES),
    )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
  parser = flags.parser(__doc__)
  add = parser.add_argument
  add('--mixture', help='your mixture; default: generated texts')
  add('--data_dir', help='TFDS data directory of --mixture')
  add('--task_module', action='append', default=[], help='registers --mixture')
  flags.add_choice(
    parser, '--datasets', corpus.DATASETS, 'datasets of the generated texts'
  )
  add('--rows', type=int, default=2000, help='rows of each generated dataset')
  add('--vocabulary', default='mini', help='a SentencePiece model')
  add('--lengths', default='1024,256', help='tokens of inputs and targets')
  add('--pack_length', type=int, default=2048, help='tokens of a row')
  add('--batch_rows', type=int, default=4, help='rows of a batch')
  flags.add_choice(
    parser, '--sides', sides.SIDES, 'who is measured', required=sides.OWN
  )
  add('--warmup', type=int, default=200, help='batches that are not counted')
  add('--seconds', type=float, default=15, help='length of a turn')
  add('--repetitions', type=int, default=5, help='turns of each side')
  add('--seed', type=int, default=0, help='seed of texts and shuffling')
  add('--work_dir', help='keeps what is made; default: a temporary folder')
  flags.add_out(parser)
  return parser.parse_args(arguments)


def _task(settings: argparse.Namespace, folder: pathlib.Path) -> Task:
  mixture, data_dir = settings.mixture, settings.data_dir
  if mixture is None:
    mixture = corpus.MIXTURE
    data_dir = corpus.make_corpus(
      folder, settings.datasets, settings.rows, settings.seed
    )
  inputs, targets = map(int, settings.lengths.split(','))
  lengths = {'inputs': inputs, 'targets': targets}
  return Task(
    mixture=mixture,
    config=CacheConfig(str(folder / 'cache'), data_dir, lengths=lengths),
    vocabulary=load_vocabulary(settings.vocabulary),
    packing=PackingConfig(
      batch_rows=settings.batch_rows, pack_length=settings.pack_length
    ),
    seed=settings.seed,
    folder=folder,
  )


def _make_own_cache(own: OwnSide) -> dict[str, Any]:
  rows, seconds = own.make_cache()
  facts: dict[str, Any] = {
    name: sum(split.manifest['counts'][name] for split in own.splits())
    for name in ('rows', 'renderings', 'tokens')
  }
  made = {'rows': rows, 'renderings': facts['renderings']}
  for name, count in made.items():  # Unknown if an earlier run has made it.
    rate = round(count / seconds, 1) if rows else None
    facts[f'{name}_cached_per_second'] = rate
  figures.print_line(own_cache=facts)
  return facts


if __name__ == '__main__':
  main()
