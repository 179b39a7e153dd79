"""`flan-jax inspect --cache`: shows the cached splits of a run."""

import argparse
from collections.abc import Sequence
import dataclasses
from typing import Any

import gin

from flan_jax import config as config_lib
from flan_jax.cache.store import split_keys
from flan_jax.definitions import names
from flan_jax.flags import FlagParser, parse_gin
from flan_jax.inspection import caches
from flan_jax.interop import base_model
from flan_jax.sources.mini import resolve_data_dir
from flan_jax.vocabulary.load import load_vocabulary

# Read before the user's files.
_GIN_FILE = 'runs/inspect.gin'


def inspect_cache(
  argv: Sequence[str],
) -> tuple[argparse.Namespace, dict[str, Any]]:
  """Returns the parsed flags, and the description by `caches.describe`.

  Raises:
    UserError: a flag or a setting is wrong.
  """
  parser = FlagParser('inspect --cache', 'Shows the cached splits of a run.')
  parser.add_gin_flags()
  parser.add_argument('--cache', action='store_true')
  parser.add_argument('--format', choices=('text', 'json'), default='text')
  arguments, flags = parse_gin(parser, [f'--gin_file={_GIN_FILE}', *argv])
  config_lib.prepare(arguments, 'cache')
  settings = gin.get_bindings('flan_jax.cache')
  config = settings['cache_config']
  data_dir = resolve_data_dir(config.data_dir, config.cache_dir)
  plans = names.resolve_all(settings['mixtures'])
  found = caches.describe(
    split_keys(plans) if plans else None,
    dataclasses.replace(config, data_dir=data_dir),
    load_vocabulary(
      base_model.locate(settings['vocabulary'], config.cache_dir)
    ),
  )
  return flags, found
