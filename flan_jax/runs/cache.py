"""`flan-jax cache`: renders and tokenizes what a run needs."""

from collections.abc import Sequence
import dataclasses
import shlex
from typing import TYPE_CHECKING

import gin
import tqdm

from flan_jax.cache.framing import CacheConfig
from flan_jax.cache.store import flat, split_keys
from flan_jax.errors import ConfigError
from flan_jax.flags import Arguments
from flan_jax.interop import base_model
from flan_jax.runtime.tensorflow_start import (
  quiet_start,
  skip_graph_optimization,
)
from flan_jax.sources.mini import open_data_dir
from flan_jax.vocabulary.base import Vocabulary
from flan_jax.vocabulary.load import load_vocabulary

if TYPE_CHECKING:
  from flan_jax.cache.writer import Plan


# Rows from which on several processes of this machine share the work.
_LARGE = 50_000


@gin.configurable(module='flan_jax')
def cache(
  mixtures: Sequence[str | Sequence[str] | None],
  cache_config: CacheConfig,
  vocabulary: str,
  allow_missing: bool = False,
  pipeline_options: str | None = None,
  arguments: Arguments | None = None,
  verbose: bool = False,
  dry_run: bool = False,
) -> None:
  """Makes every unit that is not there yet.

  Args:
    mixtures: Mixtures or tasks, or lists of them; None is skipped.
    cache_config: Directories and lengths.
    vocabulary: As VOCABULARY.
    allow_missing: Leaves out what is not prepared.
    pipeline_options: Options of a Beam runner, as one string; None: this
      process for little, the processes of this machine for much.
    arguments: The command line's; not used.
    verbose: Prints a line for each split.
    dry_run: Only prints what would be made.

  Raises:
    ConfigError: Beam is asked for and not installed.
  """
  keys = split_keys(flat(mixtures))
  cache_dir = cache_config.cache_dir
  tokens = load_vocabulary(base_model.locate(vocabulary, cache_dir))
  # TensorFlow is for this command alone.
  with quiet_start():
    from flan_jax.cache.writer import CacheWriter
    from flan_jax.vocabulary.seqio import as_seqio

    as_seqio(tokens).encode_tf('')  # What it needs is made on first use.
  skip_graph_optimization()
  data_dir = open_data_dir(cache_config.data_dir, cache_config.cache_dir)
  config = dataclasses.replace(cache_config, data_dir=data_dir)
  writer = CacheWriter(keys, config, tokens, allow_missing)
  plan = writer.plan()
  _print_plan(plan, tokens)
  if dry_run or not plan.tasks:
    return
  run = _runner(plan.rows, pipeline_options)
  bar = tqdm.tqdm(total=plan.rows, unit='row', desc='caching', disable=None)
  with bar:
    writer.make(bar.write, run, bar.update)


def _print_plan(plan: 'Plan', vocabulary: Vocabulary) -> None:
  """Says what is to be done, before it is."""
  for part, reason in plan.missing.items():
    print(f'left out: {part} ({reason})')
  todo = len({task.folder for task in plan.tasks})
  print(f'{todo} units to be cached, {plan.finished} are there', flush=True)
  if plan.tasks:
    size = plan.tokens * (2 if vocabulary.size <= 2**16 else 4) / 1e6
    seconds = plan.renderings / RENDERINGS_A_SECOND + todo * SECONDS_A_UNIT
    print(
      f'{plan.rows:,} rows, at most {plan.renderings:,} renderings: roughly '
      f'{size:,.0f} MB and {seconds / 60:,.0f} min of one core',
      flush=True,
    )


# What one core does, measured on the corpus that is shipped and on imported
# rows (`python -m benchmarks.data_pipeline` measures it).
RENDERINGS_A_SECOND = 1500
SECONDS_A_UNIT = 0.7


def _runner(rows: int, pipeline_options: str | None):
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
      print("one process; several with Apache Beam: pip install '.[cache]'")
      return run_here
    raise ConfigError(
      '--pipeline_options needs Apache Beam, which is not installed: pip '
      "install '.[cache]'"
    ) from error
