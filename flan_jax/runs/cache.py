"""`flan-jax cache`: renders and tokenizes what a run needs."""

from collections.abc import Sequence
import dataclasses
import shlex
from typing import TYPE_CHECKING, Literal

import gin

from flan_jax.cache.cached_split import token_dtype
from flan_jax.cache.framing import CacheConfig
from flan_jax.cache.store import split_keys
from flan_jax.definitions import names
from flan_jax.definitions.dataset import SPLITS
from flan_jax.errors import ConfigError
from flan_jax.interop import base_model
from flan_jax.runtime.tensorflow_start import (
  quiet_start,
  skip_graph_optimization,
)
from flan_jax.setting_types import CountOrZero, Name, Names, Path
from flan_jax.sources.mini import open_data_dir
from flan_jax.terminal.bar import Bar
from flan_jax.terminal.blocks import counted
from flan_jax.terminal.screen import show
from flan_jax.vocabulary.load import load_vocabulary

if TYPE_CHECKING:
  from flan_jax.cache.writer import Plan, Runner

# From so many rows on, several processes of this machine share the work.
_LARGE = 50_000

# What one core does with the mini corpus and with imported rows
# (`benchmarks/data_pipeline` measures it).
_RENDERINGS_A_SECOND = 4000
_SECONDS_A_SPLIT = 0.7


@gin.configurable(module='flan_jax')
def cache(
  mixtures: Sequence[Name | Names | None],
  cache_config: CacheConfig,
  vocabulary: Path,
  allow_missing: bool = False,
  pipeline_options: str | None = None,
  eval_period: CountOrZero | None = None,
  only: Literal[SPLITS] | None = None,
  verbose: bool = False,
  dry_run: bool = False,
) -> None:
  """Makes every split that is not cached yet.

  Args:
    mixtures: Mixtures or tasks, or lists of them; None is skipped.
    cache_config: Directories and lengths.
    vocabulary: The VOCABULARY macro.
    allow_missing: Leaves out data that is not prepared.
    pipeline_options: Options of a Beam runner, as one string. None: this
      process for few rows, all cores of this machine for many.
    eval_period: EVAL_PERIOD of a training run. With 0, it scores no validation
      rows, and those of training mixtures are not made.
    only: The split to make, with its exemplars; None for all that are needed.
    verbose: Prints a line for each split.
    dry_run: Only prints what would be made.

  Raises:
    ConfigError: No mixture is named, or Beam is asked for and not installed.
  """
  plans = names.resolve_all(mixtures)
  if not plans:
    raise ConfigError(
      'nothing to cache: name a mixture or task, or a list of them, with '
      '--gin.MIXTURE_OR_TASK_NAME'
    )
  keys = split_keys(plans, scored=eval_period != 0, only=only)
  cache_dir = cache_config.cache_dir
  loaded = load_vocabulary(base_model.locate(vocabulary, cache_dir))
  with quiet_start():
    from flan_jax.cache.writer import CacheWriter, in_words
    from flan_jax.vocabulary.seqio import as_seqio

    as_seqio(loaded).encode_tf('')  # Creates what it needs on first use.
  skip_graph_optimization()
  data_dir = open_data_dir(cache_config.data_dir, cache_dir)
  config = dataclasses.replace(cache_config, data_dir=data_dir)
  writer = CacheWriter(keys, config, loaded, allow_missing)
  plan = writer.plan()
  show(f'left out: {part} ({why})' for part, why in writer.missing.items())
  _print_plan(plan, token_dtype(loaded).itemsize)
  if dry_run or not plan.tasks:
    return
  run = _runner(plan.rows, pipeline_options)
  with Bar('caching', plan.rows, 'row') as bar:
    log = bar.log if verbose else lambda line: None
    counts = writer.make(log, run, bar.update)
  show([f'Cached {counted(plan.splits, "split")}: {in_words(counts)}'])


def _print_plan(plan: 'Plan', token_bytes: int) -> None:
  found = counted(plan.finished, 'split')
  if not plan.tasks:
    show([f'{found} found: nothing to cache'])
    return
  seconds = (
    plan.renderings / _RENDERINGS_A_SECOND + plan.splits * _SECONDS_A_SPLIT
  )
  more = f' ({plan.finished} more found)' if plan.finished else ''
  show(
    [
      f'Caching {counted(plan.splits, "split")}{more}: reading '
      f'{counted(plan.rows, "row")}, up to {plan.renderings:,} renderings, '
      f'roughly {plan.tokens * token_bytes / 1e6:,.0f} MB and '
      f'{seconds / 60:,.0f} min on one core'
    ]
  )


def _runner(rows: int, pipeline_options: str | None) -> 'Runner':
  from flan_jax.cache import beam
  from flan_jax.cache.writer import run_here

  if pipeline_options is None and rows < _LARGE:
    return run_here
  options = beam.local_options()
  if pipeline_options is not None:
    options = shlex.split(pipeline_options)
  try:
    return beam.make_runner(options)
  except ImportError as error:
    if pipeline_options is None:
      show(["Using one core; for all of them: pip install '.[cache]'"])
      return run_here
    raise ConfigError(
      '--pipeline_options needs Apache Beam, which is not installed: pip '
      "install '.[cache]'"
    ) from error
