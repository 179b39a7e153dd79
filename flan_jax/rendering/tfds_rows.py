"""Rows of prepared TFDS datasets as TensorFlow datasets."""

from collections.abc import Iterator, Mapping
import functools
from typing import Any

import seqio
import tensorflow as tf
import tensorflow_datasets as tfds

from flan_jax.rendering import splits

# TFDS's reader uses a deprecated counter, which logs a warning each time.
tf.get_logger().setLevel('ERROR')


def unoptimized(dataset: tf.data.Dataset) -> tf.data.Dataset:
  """Returns a dataset whose graph is run as it is.

  Optimizing and tuning the graph take longer than reading most splits.
  """
  options = tf.data.Options()
  options.experimental_optimization.apply_default_optimizations = False
  options.autotune.enabled = False
  return dataset.with_options(options)


@functools.cache
def open_builder(source: str, data_dir: str | None, name: str | None = None):
  """Opens a prepared TFDS dataset; never downloads.

  Args:
    source: TFDS name with version.
    data_dir: TFDS data directory; None for TFDS's default.
    name: The name that `flan-jax prepare` takes.

  Raises:
    MissingDataError: it is not there; names the commands that get it.
  """
  place = f'DATA_DIR {data_dir}' if data_dir else 'the TFDS data directory'
  try:
    builder = tfds.builder(source, data_dir=data_dir, try_gcs=False)
    prepared = builder.data_path.exists()
  except (tfds.core.registered.DatasetNotFoundError, AssertionError) as error:
    raise splits.MissingDataError(
      f'TFDS {tfds.__version__} has no {source}, and there is no copy of it '
      f'in {place}: {error}'
    ) from error
  if not prepared:
    flag = f' --data_dir={data_dir}' if data_dir else ''
    raise splits.MissingDataError(
      f'{source} is not in {place}. Download it with `flan-jax '
      f'prepare {name or "NAME"}{flag}`, or import your own rows with '
      f'`flan-jax import-data --input=DIR{flag or " --data_dir=DIR"}`'
    )
  return builder


class TfdsRows:
  """The rows of a prepared TFDS dataset.

  `table_rows.TableRows` has the same methods for files.
  """

  def __init__(self, builder: Any):
    self._builder = builder

  @property
  def sizes(self) -> dict[str, int]:
    """Split -> its rows."""
    splits = self._builder.info.splits
    return {name: split.num_examples for name, split in splits.items()}

  @property
  def columns(self) -> tuple[str, ...]:
    """Names of the raw features."""
    return tuple(self._builder.info.features)

  @functools.cached_property
  def spec(self) -> dict[str, Any] | None:
    """The types of a raw row; None if it has lists of lists."""
    info = self._builder.info.features.get_tensor_info()
    if any(len(one.shape) > 1 for one in tf.nest.flatten(info)):
      return None
    spec = tf.nest.map_structure(
      lambda one: tf.TensorSpec(one.shape, one.tf_dtype), dict(info)
    )
    return {**spec, 'tfds_id': tf.TensorSpec([], tf.string)}

  def class_names(self, column: str) -> tuple[str, ...] | None:
    """Returns the names of numbered classes; None for another feature."""
    feature = self._builder.info.features[column]
    return tuple(getattr(feature, 'names', None) or ()) or None

  def read(
    self,
    rows: splits.Slice,
    shuffle: bool,
    seed: int | None = None,
    shard: seqio.ShardInfo | None = None,
  ) -> tf.data.Dataset:
    """Returns raw rows, each with its position as `tfds_id`."""
    config = tfds.ReadConfig(
      add_tfds_id=True, shuffle_seed=seed, skip_prefetch=True
    )
    if shard:
      config.input_context = tf.distribute.InputContext(
        num_input_pipelines=shard.num_shards, input_pipeline_id=shard.index
      )
    return self._builder.as_dataset(
      split=rows.spec, shuffle_files=shuffle, read_config=config
    )

  def read_few(self, rows: splits.Slice) -> Iterator[dict[str, Any]]:
    """Yields the raw rows of a slice in order; needs a `spec`.

    Making a graph takes longer than decoding dozens of rows one by one.
    """
    info = self._builder.info
    files = info.splits[rows.spec].file_instructions
    if info.file_format != tfds.core.FileFormat.TFRECORD or len(files) > 1:
      # Of several files, TFDS's graph decides about the order.
      yield from unoptimized(self.read(rows, shuffle=False))
      return
    (part,) = files
    records = tf.data.TFRecordDataset(part.filename)
    records = records.skip(part.skip).take(part.take)
    for index, record in enumerate(records.as_numpy_iterator(), part.skip):
      row = _tensors(info.features, record)
      name = tf.constant(f'{part.basename()}__{index}')
      yield {**row, 'tfds_id': name}

  def paths(self, rows: splits.Slice) -> list[str]:
    """Returns the files that a slice is read from."""
    read = self._builder.info.splits[rows.spec]
    return [str(part.filename) for part in read.file_instructions]

  def bytes_of_row(self, split: str) -> int:
    """Returns the mean size of a row."""
    about = self._builder.info.splits[split]
    return about.num_bytes // max(about.num_examples, 1)


def _tensors(features: Any, record: bytes) -> dict[str, Any]:
  """Returns a row of TFDS without lists of lists as tensors.

  TFDS's decoder for NumPy is many times as fast as that for single tensors.
  """
  row = features.deserialize_example_np(record)

  def tensor(one: Any, value: Any) -> Any:
    if isinstance(one, Mapping):
      return {name: tensor(one[name], value[name]) for name in one}
    return tf.constant(value, one.tf_dtype)

  return tensor(features.get_tensor_info(), row)
