"""`flan-jax inspect`: what there is, how it reads, and who is in a mixture."""

import argparse
from collections.abc import Sequence
import json
import os
import sys

from flan_jax.batches.loader import PackingConfig
from flan_jax.definitions import names, registry, template_set
from flan_jax.definitions.dataset import SPLITS
from flan_jax.errors import ConfigError
from flan_jax.inspection import caches, caches_text, catalogue, rows, text
from flan_jax.runs.reading import FlagParser
from flan_jax.runtime.tensorflow_start import start_tensorflow
from flan_jax.sources.mini import open_data_dir, resolve_data_dir
from flan_jax.vocabulary.base import MINI


def main(argv: Sequence[str]) -> int:
  """Runs the command.

  Args:
    argv: The flags, without the command's name.

  Returns:
    The exit code: 0, or 1 where `--check` found a leak.

  Raises:
    ConfigError: a flag that is unknown or does not fit.
    UnknownNameError: no such task or mixture; names the three nearest.
    MissingDataError: rows are to be shown that are not there; says which
      command brings them.
  """
  flags = _parse(argv)
  registry.load(flags.task_module)
  if flags.template_set:
    template_set.apply(flags.template_set)
  if flags.check:
    return _check(flags)
  if flags.cache:
    return _cache(flags)
  mixture = names.find_mixture(flags.name) if flags.name else None
  tasks = ()
  if flags.name and not mixture:
    tasks = [names.parse_task(t) for t in catalogue.task_names(flags.name)]
  data_dir = open_data_dir(flags.data_dir, flags.cache_dir, _note)
  if tasks:
    wanted = rows.Wanted(flags.rows, flags.split, flags.vocabulary)
    found = rows.describe(flags.name, tasks, wanted, data_dir)
    lines = text.task_lines(found)
  elif mixture:
    found = catalogue.describe_mixture(mixture, data_dir)
    lines = text.mixture_lines(found)
  else:
    found = catalogue.describe_registry(data_dir)
    lines = text.registry_lines(found)
  if flags.format == 'json':
    _show(json.dumps(found, indent=2, ensure_ascii=False))
  else:
    _show('\n'.join(lines))
  return 0


def _check(flags: argparse.Namespace) -> int:
  """Runs the leak check of a mixture; returns 1 where it found a leak."""
  names.members(
    flags.check
  )  # An unknown name is said before TensorFlow starts.
  data_dir = open_data_dir(flags.data_dir, flags.cache_dir, _note)
  start_tensorflow()
  from flan_jax.inspection import holdout_leakage

  report = holdout_leakage.check(flags.check, data_dir)
  if flags.format == 'json':
    _show(json.dumps(report.as_json(), indent=2, ensure_ascii=False))
  else:
    _show(report.text())
  return int(report.failed)


def _cache(flags: argparse.Namespace) -> int:
  """Shows what is in a token cache."""
  wanted = caches.Wanted(
    cache=flags.cache,
    name=flags.name,
    vocabulary=flags.vocabulary,
    data_dir=resolve_data_dir(flags.data_dir, flags.cache),
    lengths=flags.lengths,
    packing=PackingConfig(
      batch_rows=flags.batch_rows,
      pack_length=flags.pack_length,
      headroom=flags.pack_headroom,
    ),
    steps=flags.steps,
  )
  found = caches.describe(wanted)
  if flags.format == 'json':
    _show(json.dumps(found, indent=2, ensure_ascii=False))
  else:
    _show('\n'.join(caches_text.lines(found)))
  return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
  parser = FlagParser(
    'flan-jax inspect',
    'Without a name: the clusters, their datasets and what of them is here. '
    'With a task, as rte or rte.t3.2shot: some rows under its templates. With '
    'a mixture, as flan_holdout_nli: its members, their rows and rates. With '
    '--cache: what is in a token cache, all of it or what NAME needs.',
  )
  parser.add_argument(
    '--check',
    metavar='MIXTURE',
    help='look for leaks of what a training mixture holds out; the exit code '
    'is 1 where there is one',
  )
  parser.add_argument('name', nargs='?', help='a task or a mixture')
  parser.add_argument(
    '--cache_dir',
    default='~/.cache/flan_jax',
    help='where --data_dir=mini, the corpus that is shipped, is imported to',
  )
  parser.add_argument('--format', choices=('text', 'json'), default='text')
  parser.add_argument(
    '--rows', type=int, default=2, help='rows shown under each template'
  )
  parser.add_argument(
    '--split',
    choices=SPLITS,
    help='whose rows; train, or test where nothing trains',
  )
  parser.add_argument(
    '--vocabulary',
    default=MINI,
    help='decides what fits: a SentencePiece model or mini',
  )
  parser.add_argument(
    '--template_set', help='templates that replace those of some datasets'
  )
  _add_cache_flags(parser)
  flags = parser.parse_args(argv)
  if flags.check and flags.name:
    raise ConfigError(
      f'--check takes a mixture, and {flags.name} is one name too many'
    )
  if flags.check and flags.cache:
    raise ConfigError('--check and --cache exclude each other')
  for name in ('rows', 'pack_length', 'batch_rows', 'steps'):
    if getattr(flags, name) < 1:
      raise ConfigError(f'--{name} must be at least 1')
  return flags


def _add_cache_flags(parser: argparse.ArgumentParser) -> None:
  shape = PackingConfig()
  parser.add_argument(
    '--cache',
    metavar='DIR',
    help='look into a token cache, the CACHE_DIR of a run',
  )
  parser.add_argument(
    '--lengths',
    type=_lengths,
    metavar='INPUTS,TARGETS',
    help='whose units, where a cache has several TASK_FEATURE_LENGTHS',
  )
  for name, default, of in (
    ('pack_length', shape.pack_length, 'tokens of a row that is packed'),
    ('batch_rows', shape.batch_rows, 'rows of a batch'),
    ('steps', 30_000, 'length of the run whose passes are counted'),
  ):
    parser.add_argument(
      f'--{name}',
      type=int,
      default=default,
      help=f'{of}; {default} if not given',
    )
  parser.add_argument(
    '--pack_headroom',
    type=float,
    default=shape.headroom,
    help='rows packed into over rows expected; if not given, what the first '
    'window and the spread of the others ask for',
  )


def _lengths(text: str) -> tuple[int, int]:
  try:
    inputs, targets = map(int, text.split(','))
  except ValueError as error:
    raise argparse.ArgumentTypeError('two numbers, as 1024,256') from error
  return inputs, targets


def _note(text: str) -> None:
  print(f'inspect: {text}', file=sys.stderr)


def _show(text: str) -> None:
  try:
    print(text, flush=True)
  except BrokenPipeError:
    # `head` or a pager has seen enough; nothing is left to be flushed.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
