"""Rows of one split of one dataset part, as a SeqIO data source."""

from collections.abc import Callable, Sequence
import dataclasses
import functools
import os

import numpy as np
import seqio
import tensorflow as tf
import tensorflow_datasets as tfds

from flan_jax.definitions.dataset import SPLITS, Dataset
from flan_jax.rendering import splits
from flan_jax.rendering.templates import (
  check_class_names,
  feature_value,
  map_row,
)

# TFDS's reader uses a deprecated counter, which logs a warning each time.
tf.get_logger().setLevel('ERROR')

# Tracing is faster without the search for Python control flow. Only functions
# of datasets, which may contain some, are traced with it.
plain_tensorflow = tf.autograph.experimental.do_not_convert

_HASH_BUCKETS = 2**63 - 1


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


class SplitSource(seqio.DataSource):
  """Reads the rows of a part, mapped to named fields, with ids and groups.

  A row has the fields and the answer of `templates.map_row`, and
    `id`: string, the row's position in the TFDS source, whatever the sharding;
    `group`: int64, hash of the fields that identify its group;
    `item`: int64, hash of the fields that identify its item, 0 without any;
    `seed`: int64, the seed of this pass;
    `trains`: bool, whether its split is trained on.
  """

  def __init__(self, part: Dataset, data_dir: str | None = None):
    """Initializes the source; nothing is opened before first use."""
    self.part = part
    self._data_dir = os.path.expanduser(data_dir) if data_dir else None
    super().__init__(splits=[name for name in SPLITS if name in part.splits])

  @property
  def supports_arbitrary_sharding(self) -> bool:
    return False

  @property
  def builder(self):
    return open_builder(self.part.source, self._data_dir, self.part.name)

  @functools.cached_property
  def class_names(self) -> tuple[str, ...] | None:
    """The builder's names of the label's classes, None without ClassLabel."""
    feature = None
    if isinstance(self.part.label, str):
      feature = self.builder.info.features[self.part.label]
    names = tuple(getattr(feature, 'names', None) or ()) or None
    check_class_names(self.part, names)
    return names

  @functools.cached_property
  def slices(self) -> dict[str, splits.Slice]:
    """Split -> the rows that serve it in this copy."""
    info = self.builder.info
    sizes = {name: split.num_examples for name, split in info.splits.items()}
    family = [p for p in self.part.family if p.source == self.part.source]
    if self.part.on_training_rows or not family:
      family = [self.part]
    resolved = splits.resolve(family, sizes)
    return {
      split: found
      for (name, split), found in resolved.items()
      if name == self.part.name
    }

  def get_dataset(
    self,
    split: str | None = 'train',
    shuffle: bool = True,
    seed: int | None = None,
    shard_info: seqio.ShardInfo | None = None,
    *,
    sequence_length=None,
    use_cached: bool = False,
    num_epochs: int | None = 1,
    rows: tuple[int, int] | None = None,
  ) -> tf.data.Dataset:
    """Returns the mapped rows of a split, see the class.

    In addition to SeqIO's arguments, `rows` is the half-open range of the
    split's rows to read.
    """
    del sequence_length, use_cached, num_epochs  # SeqIO's signature.
    found = self.slices[split]
    read = found
    if rows is not None:
      start, stop = (found.start + row for row in rows)
      read = dataclasses.replace(found, start=start, stop=stop)
    dataset = _mapping(self.part, self.class_names)(
      self._read(read.spec, shuffle, seed, shard_info),
      seed=tf.constant(seed or 0, tf.int64),
      trains=tf.constant(split == 'train'),
    )
    if not found.splits:
      return dataset
    low, high = splits.divide(self._groups(found), found.splits)[split]
    return dataset.filter(
      plain_tensorflow(
        lambda row: (low <= row['group']) & (row['group'] < high)
      )
    )

  def num_input_examples(self, split: str) -> int:
    """Returns the rows of a split before filters by content."""
    found = self.slices[split]
    if not found.splits:
      return found.stop - found.start
    groups = self._groups(found)
    low, high = splits.divide(groups, found.splits)[split]
    return int(np.sum((low <= groups) & (groups < high)))

  def list_shards(self, split: str) -> Sequence[str]:
    """Returns the files that a split is read from."""
    read = self.builder.info.splits[self.slices[split].spec]
    return [str(part.filename) for part in read.file_instructions]

  def _read(self, spec, shuffle, seed, shard_info) -> tf.data.Dataset:
    config = tfds.ReadConfig(
      add_tfds_id=True, shuffle_seed=seed, skip_prefetch=True
    )
    if shard_info:
      config.input_context = tf.distribute.InputContext(
        num_input_pipelines=shard_info.num_shards,
        input_pipeline_id=shard_info.index,
      )
    return self.builder.as_dataset(
      split=spec, shuffle_files=shuffle, read_config=config
    )

  def _groups(self, found: splits.Slice) -> np.ndarray:
    return _groups_of(self.part, self._data_dir, found.spec)


@functools.cache
def _groups_of(part: Dataset, data_dir: str | None, spec: str) -> np.ndarray:
  """Returns the group of every row in a TFDS slice, before filters."""
  builder = open_builder(part.source, data_dir, part.name)
  rows = builder.as_dataset(split=spec, shuffle_files=False)
  groups = rows.map(lambda row: _hash(part, row, part.group_key))
  return np.fromiter(groups.as_numpy_iterator(), np.int64)


@functools.cache
def _mapping(
  part: Dataset, class_names: tuple[str, ...] | None
) -> Callable[..., tf.data.Dataset]:
  """Returns what maps raw rows; traced once for all splits of a part."""

  def map_one(row, seed, trains):
    return {
      **map_row(part, class_names, row),
      'group': _hash(part, row, part.group_key),
      'item': _hash(part, row, part.item_key),
      'id': row['tfds_id'],
      'seed': seed,
      'trains': trains,
    }

  @tf.function  # With autograph, for the functions of datasets.
  def map_rows(rows, seed, trains):
    if part.keep is not None:
      rows = rows.filter(part.keep)
    return rows.map(
      lambda row: map_one(row, seed, trains),
      num_parallel_calls=tf.data.AUTOTUNE,
    )

  return map_rows


def _hash(part: Dataset, row, names: tuple[str, ...]):
  """Returns the hash of the fields that name a row's group or item."""
  if not names:
    return tf.constant(0, tf.int64)
  key = [feature_value(part.fields[name], row) for name in names]
  key = tf.strings.join(key, separator='\x1f')
  return tf.strings.to_hash_bucket_fast(key, _HASH_BUCKETS)
