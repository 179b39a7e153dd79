"""Rows of Arrow tables as TensorFlow datasets."""

from collections.abc import Iterator
import functools
from typing import Any

import pyarrow as pa
import tensorflow as tf

from flan_jax.rendering.splits import Slice
from flan_jax.sources.arrow_tables import Tables, read_tables
from flan_jax.sources.table_files import TableFiles

# Rows that become tensors together.
_BLOCK = 1024


class TableRows:
  """The rows of files; see `tfds_rows.TfdsRows` for the methods."""

  def __init__(self, files: TableFiles):
    self.files = files
    self.tables: Tables = read_tables(files)

  @property
  def sizes(self) -> dict[str, int]:
    return self.tables.sizes

  @property
  def columns(self) -> tuple[str, ...]:
    return tuple(self.tables.features)

  @functools.cached_property
  def spec(self) -> dict[str, Any] | None:
    specs = {field.name: _spec(field.type) for field in self.tables.schema}
    if any(one.shape.rank > 2 for one in tf.nest.flatten(specs)):
      return None
    of_row = tf.nest.map_structure(
      lambda one: tf.TensorSpec(one.shape[1:], one.dtype), specs
    )
    return {**of_row, 'tfds_id': tf.TensorSpec([], tf.string)}

  def class_names(self, column: str) -> tuple[str, ...] | None:
    return self.tables.classes.get(column)

  def _table(self, rows: Slice) -> pa.Table:
    table = self.tables.splits[rows.tfds_split]
    return table.slice(rows.start, rows.stop - rows.start)

  def read_few(self, rows: Slice) -> Iterator[dict[str, Any]]:
    table = self._table(rows)
    columns = _tensors(table)
    for index in range(len(table)):
      row = tf.nest.map_structure(lambda column, i=index: column[i], columns)
      name = tf.constant(f'{rows.tfds_split}__{rows.start + index}')
      yield {**row, 'tfds_id': name}

  def read(
    self, rows: Slice, shuffle: bool, seed: int | None = None, shard=None
  ) -> tf.data.Dataset:
    table = self._table(rows)
    name, first = rows.tfds_split, rows.start

    def blocks() -> Iterator[dict[str, Any]]:
      for start in range(0, len(table), _BLOCK):
        block = table.slice(start, _BLOCK)
        ids = [f'{name}__{first + start + i}' for i in range(len(block))]
        yield {**_tensors(block), 'tfds_id': tf.constant(ids)}

    specs = {field.name: _spec(field.type) for field in table.schema}
    specs['tfds_id'] = tf.TensorSpec([None], tf.string)
    read = tf.data.Dataset.from_generator(blocks, output_signature=specs)
    read = read.flat_map(tf.data.Dataset.from_tensor_slices)
    if shard is not None:
      read = read.shard(shard.num_shards, shard.index)
    if shuffle and len(table):
      read = read.shuffle(len(table), seed)
    return read

  def paths(self, rows: Slice) -> list[str]:
    del rows
    return [str(path) for path in self.files.paths]

  def bytes_of_row(self, split: str) -> int:
    table = self.tables.splits[split]
    return table.nbytes // max(len(table), 1)


def _tensors(block: pa.Table) -> dict[str, Any]:
  return {
    name: _tensor(block[name].combine_chunks()) for name in block.column_names
  }


def _tensor(array: Any) -> Any:
  """Returns an Arrow array as a tensor, a ragged one for lists."""
  if pa.types.is_large_list(array.type):
    offsets = array.offsets.to_numpy()
    lengths, values = offsets - offsets[0], _tensor(array.flatten())
    return tf.nest.map_structure(
      lambda part: tf.RaggedTensor.from_row_splits(part, lengths), values
    )
  if pa.types.is_struct(array.type):
    return {f.name: _tensor(array.field(f.name)) for f in array.type}
  if pa.types.is_large_string(array.type):
    return tf.constant(array.to_pylist(), tf.string, [len(array)])
  return tf.constant(array.to_numpy(zero_copy_only=False))


def _spec(kind: Any, lists: int = 0) -> Any:
  """Returns what `_tensor` gives for a type, inside so many lists."""
  if pa.types.is_large_list(kind):
    return _spec(kind.value_type, lists + 1)
  if pa.types.is_struct(kind):
    return {field.name: _spec(field.type, lists) for field in kind}
  text = pa.types.is_large_string(kind)
  dtype = tf.string if text else tf.as_dtype(kind.to_pandas_dtype())
  if lists:
    return tf.RaggedTensorSpec([None] * (lists + 1), dtype)
  return tf.TensorSpec([None], dtype)
