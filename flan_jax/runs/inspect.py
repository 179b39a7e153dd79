"""`flan-jax inspect`: shows datasets, rows, mixtures, leaks and caches."""

import argparse
from collections.abc import Iterable, Sequence
import functools
import json
import os
import sys
from typing import Any

from flan_jax.command_flags.inspect_flags import make_parser
from flan_jax.definitions import names, registry, template_set
from flan_jax.errors import ConfigError
from flan_jax.inspection import caches, datasets, mixture_rates, rows
from flan_jax.runs.inspect_cache import inspect_cache
from flan_jax.runtime.tensorflow_start import start_tensorflow
from flan_jax.sources.mini import open_data_dir
from flan_jax.terminal.bar import Bar
from flan_jax.terminal.blocks import Block
from flan_jax.terminal.screen import show


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
  flags = make_parser().parse_args(argv)
  if flags.check and flags.name:
    raise ConfigError(f'--check takes the mixture; remove {flags.name}')
  if flags.against and not flags.check:
    raise ConfigError(
      f'--against={flags.against} needs --check=MIXTURE, what is trained on'
    )
  return flags
