"""Writes shards with the workers of an Apache Beam runner (extra `[cache]`)."""

from collections.abc import Callable, Sequence
import os

import apache_beam as beam
from apache_beam.internal import pickler
from apache_beam.options.pipeline_options import (
  PipelineOptions,
  StandardOptions,
)

from flan_jax.data.cache_shard import ShardTask, write_shard
from flan_jax.data.cache_writer import Runner

# Several workers on this machine, each a process.
LOCAL_WORKERS = (
  '--runner=DirectRunner',
  '--direct_running_mode=multi_processing',
)


def local_options(workers: int | None = None) -> list[str]:
  """Returns the options that run `workers` processes here, one a core."""
  count = workers or os.cpu_count() or 1
  return [*LOCAL_WORKERS, f'--direct_num_workers={count}']


def make_runner(options: Sequence[str]) -> Runner:
  """Returns what has shards written by a Beam pipeline.

  One element is one shard. A worker that is given one twice, or finds it
  written by an earlier run, leaves it as it is.

  Args:
    options: Beam's, as `--runner=DataflowRunner`.
  """

  def run(
    tasks: Sequence[ShardTask], done: Callable[[ShardTask], None]
  ) -> None:
    if not tasks:
      return
    pipeline = beam.Pipeline(options=_parse(options))
    _ = (
      pipeline
      # As Beam ships functions: those of a dataset may have no name.
      | 'shards' >> beam.Create([pickler.dumps(task) for task in tasks])
      # Without it, one worker would be handed all of them.
      | 'spread' >> beam.Reshuffle()
      | 'write' >> beam.Map(_write)
    )
    pipeline.run().wait_until_finish()
    for task in tasks:
      done(task)

  return run


def _write(task: bytes) -> str:
  return write_shard(pickler.loads(task))['name']


def _parse(options: Sequence[str]) -> PipelineOptions:
  parsed = PipelineOptions(list(options))
  if parsed.view_as(StandardOptions).runner is None:
    parsed.view_as(StandardOptions).runner = 'DirectRunner'
  return parsed
