"""The texts of a dataset's rows; reading them uses TensorFlow."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import tensorflow as tf

from flan_jax.definitions.dataset import Dataset
from flan_jax.rendering.source import SplitSource, plain_tensorflow

_BATCH = 512


class RowText(NamedTuple):
  """A row of a dataset.

  Attributes:
    id: Its id, as in `records.jsonl`.
    text: All its fields in their declared order, separated by spaces.
  """

  id: str
  text: str


def whole_text(part: Dataset, row: Mapping[str, tf.Tensor]) -> tf.Tensor:
  """Returns all fields of a mapped row as one string."""
  return tf.strings.join([row[name] for name in part.fields], separator=' ')


def row_texts(
  part: Dataset, split: str, data_dir: str | None = None
) -> Iterator[RowText]:
  """Yields the rows of a split.

  Raises:
    MissingDataError: the dataset is not prepared.
  """

  @plain_tensorflow
  def columns(row):
    return row['id'], whole_text(part, row)

  rows = SplitSource(part, data_dir).get_dataset(split, shuffle=False)
  rows = rows.map(columns, num_parallel_calls=tf.data.AUTOTUNE)
  for ids, texts in rows.batch(_BATCH).as_numpy_iterator():
    for row, text in zip(ids, texts, strict=True):
      yield RowText(row.decode(), text.decode('utf-8', 'replace'))
