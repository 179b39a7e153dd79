"""Writes shards with the workers of an Apache Beam runner (extra `[cache]`).

Beam is imported where it is used: this module can be read without it.
"""

from collections.abc import Callable, Sequence
import os

from flan_jax.cache.shard import ShardTask, write_shard
from flan_jax.cache.writer import Runner

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

  Raises:
    ImportError: Beam is not installed.
  """
  import apache_beam as beam
  from apache_beam.internal import pickler

  parsed = _parse(options)

  def run(
    tasks: Sequence[ShardTask], done: Callable[[ShardTask], None]
  ) -> None:
    if not tasks:
      return
    pipeline = beam.Pipeline(options=parsed)
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
  from apache_beam.internal import pickler

  return write_shard(pickler.loads(task))['name']


def _parse(options: Sequence[str]):
  from apache_beam.options import pipeline_options

  parsed = pipeline_options.PipelineOptions(list(options))
  standard = parsed.view_as(pipeline_options.StandardOptions)
  if standard.runner is None:
    standard.runner = 'DirectRunner'
  return parsed
