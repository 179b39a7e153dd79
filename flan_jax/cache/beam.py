"""Does tasks with the workers of an Apache Beam runner (extra `[cache]`).

Beam is imported where it is used; this module does not need it.
"""

from collections.abc import Callable, Sequence
import os
from typing import Any

from flan_jax.cache.shard import write_shard
from flan_jax.cache.writer import Runner


def local_options(workers: int | None = None) -> list[str]:
  """Returns the options for `workers` processes here, by default one a core."""
  count = workers or os.cpu_count() or 1
  return [
    '--runner=DirectRunner',
    '--direct_running_mode=multi_processing',
    f'--direct_num_workers={count}',
  ]


def make_runner(
  options: Sequence[str], work: Callable[[Any], Any] = write_shard
) -> Runner:
  """Returns a function that has a Beam pipeline do tasks, such as shards.

  One element is one task. A worker skips a task that is done.

  Args:
    options: Options of Beam, such as `--runner=DataflowRunner`.
    work: Does one task, and writes what comes of it to where all find it.

  Raises:
    ImportError: Beam is not installed.
  """
  import apache_beam as beam
  from apache_beam.internal import pickler
  from apache_beam.options import pipeline_options

  parsed = pipeline_options.PipelineOptions(list(options))
  standard = parsed.view_as(pipeline_options.StandardOptions)
  standard.runner = standard.runner or 'DirectRunner'

  def run(tasks: Sequence[Any], done: Callable[[Any], None]) -> None:
    if not tasks:
      return
    pipeline = beam.Pipeline(options=parsed)
    _ = (
      pipeline
      # Pickled like Beam's functions: those of a dataset may have no name.
      | 'tasks' >> beam.Create([pickler.dumps(task) for task in tasks])
      # Without it, one worker would get all of them.
      | 'spread' >> beam.Reshuffle()
      | 'work' >> beam.Map(_do, work)
    )
    pipeline.run().wait_until_finish()
    for task in tasks:
      done(task)

  return run


def _do(task: bytes, work: Callable[[Any], Any]) -> None:
  from apache_beam.internal import pickler

  work(pickler.loads(task))
