"""`flan-jax inspect`: shows datasets, rows, mixtures, leaks and caches."""

import argparse
from collections.abc import Iterable, Sequence
import functools
import json
import os
import sys
from typing import Any

from flan_jax.definitions import names, registry, template_set
from flan_jax.definitions.dataset import SPLITS
from flan_jax.errors import ConfigError
from flan_jax.flags import FlagParser, integer
from flan_jax.inspection import caches, datasets, mixture_rates, rows
from flan_jax.runs.inspect_cache import inspect_cache
from flan_jax.runtime.tensorflow_start import start_tensorflow
from flan_jax.sources.mini import open_data_dir
from flan_jax.terminal.bar import Bar
from flan_jax.terminal.blocks import Block
from flan_jax.terminal.screen import show
from flan_jax.vocabulary.load import MINI


def main(argv: Sequence[str]) -> int:
  """Runs the command with the given flags.

  Returns:
    The exit code: 0, or 1 if `--check` found a leak.

  Raises:
    UserError: a flag or a name is wrong, or rows are not prepared.
  """
  if '--cache' in argv:
    flags, found = inspect_cache(argv)
    lines = caches.lines(found)
  else:
    flags = _parse(argv)
    found, lines = _inspect(flags)
  if flags.format == 'json':
    print(json.dumps(found, indent=2, ensure_ascii=False), flush=True)
    lines = []
  try:
    show(lines)
  except BrokenPipeError:
    # The pager was closed early. Leaves nothing to flush at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
  return int(found.get('failed', False))


def _inspect(
  flags: argparse.Namespace,
) -> tuple[dict[str, Any], Iterable[Block]]:
  """Returns what is to be shown, as JSON types and as blocks."""
  registry.load(flags.task_module)
  if flags.template_set:
    template_set.apply(flags.template_set)
  # An unknown name is an error before TensorFlow starts.
  name = flags.check or flags.name
  plan = names.resolve(name) if name else None
  against = names.resolve(flags.against) if flags.against else None
  log = functools.partial(print, 'inspect:', file=sys.stderr)
  data_dir = open_data_dir(flags.data_dir, flags.cache_dir, log)
  if flags.check:
    start_tensorflow()
    from flan_jax.inspection import holdout_leakage

    with Bar(f'comparing rows of {flags.check}'):
      found = holdout_leakage.check(plan, data_dir, against)
    return found, holdout_leakage.lines(found)
  if plan is None:
    found = datasets.describe(data_dir)
    return found, datasets.lines(found)
  if plan.purpose:
    found = mixture_rates.describe(plan, data_dir)
    return found, mixture_rates.lines(found)
  with Bar(f'reading rows of {name}'):
    found = rows.describe(
      name, data_dir, flags.rows, flags.split, flags.vocabulary
    )
  return found, rows.lines(found)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
  parser = FlagParser(
    'inspect',
    'Shows the registered datasets and which of them are prepared; with a '
    'task, such as rte or rte.t3.2shot, some of its rows under each template; '
    'with a mixture, such as flan_holdout_nli, its members and rates.',
  )
  parser.add_data_flags()
  add = parser.add_argument
  add('name', nargs='?', help='a task or a mixture')
  add(
    '--check',
    metavar='MIXTURE',
    help='check that a training mixture shares no rows with the evaluation of '
    'what it holds out; exits with 1 if it does',
  )
  add(
    '--against',
    metavar='MIXTURE',
    help='with --check: the mixture or task that is evaluated; then --check '
    'takes any mixture or task',
  )
  add(
    '--cache',
    action='store_true',
    help='show the cached splits of a run, or all splits in CACHE_DIR; takes '
    '--format and the flags of flan-jax cache',
  )
  add(
    '--cache_dir',
    default='~/.cache/flan_jax',
    help='where --data_dir=mini, the shipped corpus, is imported to',
  )
  add('--format', choices=('text', 'json'), default='text')
  add(
    '--rows',
    type=integer(),
    default=2,
    help='rows under each template; default 2',
  )
  add(
    '--split',
    choices=SPLITS,
    help='split of the rows; default train, or test if there is no train',
  )
  add(
    '--vocabulary',
    default=MINI,
    help='vocabulary that decides what fits; default mini',
  )
  add('--template_set', help='file of templates that replace the declared ones')
  flags = parser.parse_args(argv)
  if flags.check and flags.name:
    raise ConfigError(f'--check takes the mixture; remove {flags.name}')
  if flags.against and not flags.check:
    raise ConfigError(
      f'--against={flags.against} needs --check=MIXTURE, what is trained on'
    )
  return flags
