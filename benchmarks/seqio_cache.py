"""Tasks that SeqIO has cached with its own Beam pipeline."""

from collections.abc import Iterator
import contextlib
import dataclasses
import io
import logging
import pathlib
import time

from absl import flags
from absl import logging as absl_logging
import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
import seqio
from seqio.scripts import cache_tasks_main
import tensorflow as tf

from benchmarks.seqio_side import SeqioSide, cached_name
from flan_jax.definitions import names, registry
from flan_jax.definitions.mixture_plan import MIXING_CAP
from flan_jax.rendering.lengths import renderings_of
from flan_jax.rendering.render import render_rows, tokenize_rows
from flan_jax.rendering.source import SplitSource
from flan_jax.vocabulary.seqio import as_seqio


def make_cache(side: SeqioSide, folder: pathlib.Path, renderings: str) -> float:
  """Caches the training rows of a mixture and registers it for reading.

  Args:
    side: What is read.
    folder: SeqIO's cache directory; what it holds already is kept.
    renderings: `several`: of each row, those that this project caches; `one`:
      a template picked for each row.

  Returns:
    Seconds that it took.
  """
  seqio.set_global_cache_dirs([str(folder)])
  tasks = [
    _cached_task(side, member, renderings)
    for member in names.members(side.mixture)
  ]
  rates = [
    (task, min(task.num_input_examples('train'), MIXING_CAP)) for task in tasks
  ]
  seqio.MixtureRegistry.add(cached_name(side.mixture, renderings), rates)
  folder.mkdir(parents=True, exist_ok=True)
  begin = time.perf_counter()
  with _quiet():
    options = PipelineOptions(['--runner=FnApiRunner'])
    with beam.Pipeline(options=options) as pipeline:
      cache_tasks_main.run_pipeline(
        pipeline, [task.name for task in tasks], str(folder)
      )
  return time.perf_counter() - begin


def _cached_task(
  side: SeqioSide, member: registry.Member, renderings: str
) -> seqio.Task:
  _, part = registry.find_part(member.part)
  # Training rows only: SeqIO caches every split that a task has.
  part = dataclasses.replace(part, splits={'train': part.splits['train']})
  source = SplitSource(part, side.config.data_dir)
  several = renderings == 'several'
  count = renderings_of(source.num_input_examples('train'))
  feature = seqio.Feature(as_seqio(side.vocabulary), add_eos=True)
  features = {'inputs': feature, 'targets': feature}

  def render(rows: tf.data.Dataset) -> tf.data.Dataset:
    rendered = render_rows(
      rows, part, member.templates, several, count if several else None
    )
    examples = tokenize_rows(
      rendered, part, side.vocabulary, dict(side.config.lengths)
    )
    # What else there is of a row would only have to be read.
    return examples.map(lambda row: {key: row[key] for key in features})

  return seqio.TaskRegistry.add(
    cached_name(part.name, renderings),
    source=source,
    preprocessors=[render, seqio.CacheDatasetPlaceholder()],
    output_features=features,
  )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
  """Keeps SeqIO's and Beam's notices back; the pipeline reads absl flags."""
  if not flags.FLAGS.is_parsed():
    flags.FLAGS(['data_pipeline'])
  verbosity = absl_logging.get_verbosity()
  absl_logging.set_verbosity(absl_logging.ERROR)
  logging.disable(logging.WARNING)
  try:
    with contextlib.redirect_stdout(io.StringIO()):
      yield
  finally:
    logging.disable(logging.NOTSET)
    absl_logging.set_verbosity(verbosity)
