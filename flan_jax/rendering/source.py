"""Rows of one split of one dataset part, as a SeqIO data source."""

from collections.abc import Callable, Iterator, Mapping, Sequence
import functools
import os
from typing import Any

import numpy as np
import seqio
import tensorflow as tf

from flan_jax.definitions.checks import check_columns
from flan_jax.definitions.dataset import SPLITS, Dataset
from flan_jax.rendering import splits
from flan_jax.rendering.table_rows import TableRows
from flan_jax.rendering.templates import (
  as_text,
  check_class_names,
  feature_value,
  map_row,
)
from flan_jax.rendering.tfds_rows import TfdsRows, open_builder
from flan_jax.sources.row_checks import check_answers
from flan_jax.sources.table_files import (
  TableFiles,
  find_files,
  is_table,
  missing_files,
)

# Tracing is faster without the search for Python control flow. Only functions
# of datasets, which may contain some, are traced with it.
plain_tensorflow = tf.autograph.experimental.do_not_convert

_HASH_BUCKETS = 2**63 - 1
# Rows that are mapped one by one in less time than it takes to make a graph of
# a dataset, which a process must do for every slice.
FEW = 500

# A mapped row -> what is needed of it (TensorFlow).
RowView = Callable[[Mapping[str, Any]], dict[str, Any]]


Rows = TfdsRows | TableRows


def open_rows(part: Dataset, data_dir: str | None) -> Rows:
  """Opens the rows of a resolved part; never downloads.

  Raises:
    MissingDataError: They are not there; says how to get them.
  """
  if not is_table(part.source):
    return _tfds_rows(part.source, data_dir, part.name)
  files = find_files(part.source, data_dir)
  if files is None:
    raise splits.MissingDataError(
      missing_files(part.source, part.name, data_dir)
    )
  return _table_rows(files, files.signature())


@functools.cache
def _tfds_rows(source: str, data_dir: str | None, name: str) -> TfdsRows:
  return TfdsRows(open_builder(source, data_dir, name))


@functools.lru_cache(maxsize=16)
def _table_rows(files: TableFiles, signature: Any) -> TableRows:
  del signature  # A changed file is read again.
  return TableRows(files)


@functools.lru_cache(maxsize=64)
def _check_answers(part: Dataset, rows: TableRows) -> None:
  """Checks the rows of a part once, and again if a file changes."""
  check_answers(part, rows.tables)


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
    self.data_dir = os.path.expanduser(data_dir) if data_dir else None
    super().__init__(splits=[name for name in SPLITS if name in part.splits])

  @property
  def supports_arbitrary_sharding(self) -> bool:
    return False

  @functools.cached_property
  def rows(self) -> Rows:
    """What the rows are read from."""
    return open_rows(self.part, self.data_dir)

  @functools.cached_property
  def class_names(self) -> tuple[str, ...] | None:
    """Names of the label's numbered classes; None for a label of text.

    Raises:
      DatasetError: The source lacks a column, or has other classes, or a row
        of a file has no answer.
    """
    check_columns(self.part, self.rows.columns)
    part, names = self.part, None
    if isinstance(part.label, str):
      names = self.rows.class_names(part.label)
    check_class_names(part, names)
    if isinstance(self.rows, TableRows):
      _check_answers(part, self.rows)
    return names

  @functools.cached_property
  def slices(self) -> dict[str, splits.Slice]:
    """Split -> the rows that serve it in this copy."""
    family = [p for p in self.part.family if p.source == self.part.source]
    if self.part.on_training_rows or not family:
      family = [self.part]
    resolved = splits.resolve(family, self.rows.sizes)
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
  ) -> tf.data.Dataset:
    """Returns the mapped rows of a split, see the class."""
    del sequence_length, use_cached, num_epochs  # SeqIO's signature.
    found = self.slices[split]
    dataset = _mapping(self.part, self.class_names)(
      self.rows.read(found, shuffle, seed, shard_info),
      seed=tf.constant(seed or 0, tf.int64),
      trains=tf.constant(split == 'train'),
    )
    if not found.splits:
      return dataset
    low, high = self.group_range(split)
    return dataset.filter(
      plain_tensorflow(
        lambda row: (low <= row['group']) & (row['group'] < high)
      )
    )

  def read_slice(self, rows: splits.Slice, view: RowView) -> tf.data.Dataset:
    """Returns a view of all rows of a slice, in order, with the seed 0."""
    return _mapping(self.part, self.class_names, view)(
      self.rows.read(rows, shuffle=False, seed=None),
      seed=tf.constant(0, tf.int64),
      trains=tf.constant(False),
    )

  def read_few(
    self, rows: splits.Slice, view: RowView
  ) -> Iterator[dict[str, Any]]:
    """Yields what `read_slice` does, without a graph of the slice.

    For slices that `are_few` is true of.
    """
    viewed = _row_view(self.part, self.class_names, view, self.rows)
    keep = self.part.keep
    for row in self.rows.read_few(rows):
      if keep is None or keep(row):
        yield viewed(row)

  def group_range(self, split: str) -> tuple[int, int] | None:
    """Returns the groups of a split, [first, last), if splits divide its slice.

    None if the whole slice belongs to the split.
    """
    found = self.slices[split]
    if not found.splits:
      return None
    return splits.divide(self.groups(found), found.splits)[split]

  def num_input_examples(self, split: str) -> int:
    """Returns the rows of a split before filters by content."""
    found, groups = self.slices[split], self.group_range(split)
    if groups is None:
      return found.stop - found.start
    low, high = groups
    every = self.groups(found)
    return int(np.sum((low <= every) & (every < high)))

  def list_shards(self, split: str) -> Sequence[str]:
    """Returns the files that a split is read from."""
    return self.rows.paths(self.slices[split])

  def groups(self, found: splits.Slice) -> np.ndarray:
    """Returns the group of every row in a slice, before filters."""
    return _groups_of(self.part, self.rows, found)


def are_few(rows: Rows, found: splits.Slice) -> bool:
  """Returns whether a slice is read faster row by row; see `FEW`."""
  return rows.spec is not None and found.stop - found.start <= FEW


@functools.cache
def _groups_of(part: Dataset, rows: Rows, found: splits.Slice) -> np.ndarray:
  if are_few(rows, found):
    group = _row_function(rows, lambda row: _hash(part, row, part.group_key))
    return np.array([int(group(row)) for row in rows.read_few(found)], np.int64)
  read = rows.read(found, shuffle=False)
  groups = read.map(lambda row: _hash(part, row, part.group_key))
  return np.fromiter(groups.as_numpy_iterator(), np.int64)


@functools.cache
def _row_view(
  part: Dataset,
  class_names: tuple[str, ...] | None,
  view: RowView,
  rows: Rows,
) -> RowView:
  """Returns the view of a raw row; traced once for all splits of a part."""

  def viewed(row):
    seed, trains = tf.constant(0, tf.int64), tf.constant(False)
    return view(_mapped(part, class_names, row, seed, trains))

  return _row_function(rows, viewed)


def _row_function(rows: Rows, function: Callable[[Any], Any]):
  """Returns a function of a raw row, traced."""
  # Python control flow is not converted in the graph of a slice either.
  graph = tf.function(function, [rows.spec], autograph=False)
  return graph.get_concrete_function()


@functools.cache
def _mapping(
  part: Dataset,
  class_names: tuple[str, ...] | None,
  view: RowView | None = None,
) -> Callable[..., tf.data.Dataset]:
  """Returns what maps raw rows; traced once for all splits of a part."""

  def map_one(row, seed, trains):
    mapped = _mapped(part, class_names, row, seed, trains)
    return mapped if view is None else view(mapped)

  @tf.function  # With autograph, for the functions of datasets.
  def map_rows(rows, seed, trains):
    if part.keep is not None:
      rows = rows.filter(part.keep)
    return rows.map(
      lambda row: map_one(row, seed, trains),
      num_parallel_calls=tf.data.AUTOTUNE,
    )

  return map_rows


def _mapped(part, class_names, row, seed, trains):
  """Returns a mapped row, see `SplitSource`."""
  return {
    **map_row(part, class_names, row),
    'group': _hash(part, row, part.group_key),
    'item': _hash(part, row, part.item_key),
    'id': row['tfds_id'],
    'seed': seed,
    'trains': trains,
  }


def _hash(part: Dataset, row, names: tuple[str, ...]):
  """Returns the hash of the fields that name a row's group or item."""
  if not names:
    return tf.constant(0, tf.int64)
  key = [as_text(feature_value(part.fields[name], row)) for name in names]
  key = tf.strings.join(key, separator='\x1f')
  return tf.strings.to_hash_bucket_fast(key, _HASH_BUCKETS)
