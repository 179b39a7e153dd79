"""SeqIO's input: rows rendered while reading, and tasks that it has cached."""

from collections.abc import Iterator, Sequence
import contextlib
import pathlib
import sys
import time

from absl import flags
import seqio
import tensorflow as tf

from benchmarks.data_pipeline.own import Batch, Task
from flan_jax.definitions import names
from flan_jax.definitions.mixture_plan import PlanMember, mixing_rate
from flan_jax.rendering import seqio_tasks
from flan_jax.rendering.lengths import renderings_of
from flan_jax.rendering.render import render_rows, tokenize_rows
from flan_jax.rendering.source import SplitSource
from flan_jax.vocabulary.seqio import as_seqio

# The arrays of SeqIO's converter under the names of the comparison.
_NAMES = {
  'tokens': 'decoder_input_tokens',
  'segments': 'decoder_segment_ids',
  'positions': 'decoder_positions',
  'labels': 'decoder_target_tokens',
  'loss_mask': 'decoder_loss_weights',
}


def batches(task: Task, renderings: str | None = None) -> Iterator[Batch]:
  """Reads as T5X does, with the options that proved fastest.

  Without `renderings`, each row is rendered when it is read; see `make_cache`.
  """
  if renderings is None:
    provider = seqio_tasks.get_mixture_or_task(
      task.mixture, task.vocabulary.path, task.config.data_dir
    )
  else:
    provider = seqio.get_mixture_or_task(f'{task.mixture}_cached_{renderings}')
  lengths = dict(task.config.lengths)
  examples = provider.get_dataset(
    sequence_length=lengths,
    split='train',
    use_cached=renderings is not None,
    shuffle=True,
    seed=task.seed,
    num_epochs=None,
  )
  converter = seqio.DecoderFeatureConverter(
    pack=True,
    # SeqIO's packing in C++ has to be built from source, for TensorFlow 1.
    use_custom_packing_ops=False,
    # The lengths are correct, so a check only takes time.
    apply_length_check=False,
  )
  # The converter packs rows as long as the sum of its lengths.
  inputs = task.packing.pack_length - lengths['targets']
  packed = converter(examples, {**lengths, 'inputs': inputs})
  found = (
    packed.map(
      lambda row: {name: row[key] for name, key in _NAMES.items()},
      num_parallel_calls=tf.data.AUTOTUNE,
    )
    .batch(task.packing.batch_rows, drop_remainder=True)
    .prefetch(tf.data.AUTOTUNE)
  )
  options = tf.data.Options()
  # Of the options tried, these two helped online and slowed nothing.
  options.deterministic = False
  options.threading.max_intra_op_parallelism = 1
  return found.with_options(options).as_numpy_iterator()


def make_cache(task: Task, renderings: str) -> float:
  """Caches the training rows and registers their mixture; returns the seconds.

  Takes what `cached_tasks` takes.
  """
  folder = task.folder / 'seqio_cache'
  seqio.set_global_cache_dirs([str(folder)])
  tasks = cached_tasks(task, renderings)
  rates = [
    (cached, mixing_rate(cached.num_input_examples('train')))
    for cached in tasks
  ]
  seqio.MixtureRegistry.add(f'{task.mixture}_cached_{renderings}', rates)
  begin = time.perf_counter()
  write_caches(tasks, folder)
  return time.perf_counter() - begin


def cached_tasks(task: Task, renderings: str) -> list[seqio.Task]:
  """Registers a task for the training rows of each member of the mixture.

  The `renderings` of a row are `several`, those that this project caches, or
  `one`, under a template chosen for the row.
  """
  return [
    _cached_task(task, member, renderings)
    for member in names.resolve(task.mixture).members
  ]


def write_caches(tasks: Sequence[seqio.Task], folder: pathlib.Path) -> None:
  """Runs SeqIO's own Beam pipeline in this process."""
  import apache_beam as beam
  from seqio.scripts import cache_tasks_main

  folder.mkdir(parents=True, exist_ok=True)
  if not flags.FLAGS.is_parsed():  # The pipeline reads absl flags.
    flags.FLAGS(['data_pipeline'])
  with (
    contextlib.redirect_stdout(sys.stderr),
    beam.Pipeline('FnApiRunner') as pipeline,
  ):
    cache_tasks_main.run_pipeline(
      pipeline, [cached.name for cached in tasks], str(folder)
    )


class _TrainingRows(SplitSource):
  """Has only training rows, since SeqIO caches every split of a task."""

  splits = ('train',)


def _cached_task(task: Task, member: PlanMember, renderings: str) -> seqio.Task:
  part = member.part
  source = _TrainingRows(part, task.config.data_dir)
  several = renderings == 'several'
  count = renderings_of(source.num_input_examples('train'))
  feature = seqio.Feature(as_seqio(task.vocabulary), add_eos=True)
  features = {'inputs': feature, 'targets': feature}

  def render(rows: tf.data.Dataset) -> tf.data.Dataset:
    rendered = render_rows(
      rows, part, member.templates, several, count if several else None
    )
    examples = tokenize_rows(
      rendered, part, task.vocabulary, dict(task.config.lengths)
    )
    # Other fields would only have to be read.
    return examples.map(lambda row: {key: row[key] for key in features})

  return seqio.TaskRegistry.add(
    f'{part.name}_cached_{renderings}',
    source=source,
    preprocessors=[render, seqio.CacheDatasetPlaceholder()],
    output_features=features,
  )
