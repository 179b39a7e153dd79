"""Which datasets are prepared, and how many rows they have (no TensorFlow)."""

import pathlib
import shlex
from typing import NamedTuple

from flan_jax.definitions import names
from flan_jax.definitions.dataset import Dataset
from flan_jax.errors import UserError
from flan_jax.rendering import splits
from flan_jax.runtime.json_text import read_object
from flan_jax.sources.arrow_tables import read_tables
from flan_jax.sources.copies import find_copy
from flan_jax.sources.data_dir import data_root
from flan_jax.sources.table_files import find_files, hub_name, is_table

PREPARED, DOWNLOAD, MANUAL = 'prepared', 'to download', 'manual'
STATES = (PREPARED, DOWNLOAD, MANUAL)

# Origins of a number of rows. It is an estimate if several splits divide a TFDS
# split by a hash, because only reading the rows would tell.
COPY, ESTIMATE, RECORDED = 'copy', 'estimate', 'recorded'


class Rows(NamedTuple):
  """Number of rows in one split of a part, before filters."""

  count: int
  origin: str  # `COPY`, `ESTIMATE` or `RECORDED`.


def manual_folder(data_dir: str | None) -> pathlib.Path:
  """Returns where TFDS expects files that are downloaded manually."""
  return data_root(data_dir) / 'downloads' / 'manual'


def prepare_command(name: str, data_dir: str | None) -> str:
  """Returns the command that downloads a dataset."""
  flag = f' --data_dir={shlex.quote(data_dir)}' if data_dir else ''
  return f'flan-jax prepare {name}{flag}'


def status_of(part: Dataset, data_dir: str | None) -> str:
  """Returns which of `STATES` a resolved part is in."""
  if is_table(part.source):
    if find_files(part.source, data_dir):
      return PREPARED
    return DOWNLOAD if hub_name(part.source) else MANUAL
  if find_copy(part.source, data_dir):
    return PREPARED
  return MANUAL if part.manual else DOWNLOAD


def rows_of(part: Dataset, split: str, data_dir: str | None) -> Rows:
  """Returns the number of rows in a split of a resolved part."""
  sizes = _sizes(part.source, data_dir)
  if sizes is None:
    return Rows(part.rows.get(split, 0), RECORDED)
  family = [p for p in part.dataset.resolve_parts() if p.source == part.source]
  try:
    found = splits.resolve(family, sizes)[part.name, split]
  except splits.MissingDataError:
    return Rows(0, COPY)
  size = found.stop - found.start
  if not found.splits:
    return Rows(size, COPY)
  # Takes each row for a group.
  low, high = splits.divide(range(size), found.splits)[split]
  return Rows(min(high, size) - low, ESTIMATE)


def _sizes(source: str, data_dir: str | None) -> dict[str, int] | None:
  """Returns split -> rows of what is prepared, None if nothing is."""
  if is_table(source):
    files = find_files(source, data_dir)
    return files and read_tables(files).sizes
  folder = find_copy(source, data_dir)
  if folder is None:
    return None
  path = folder / 'dataset_info.json'
  info = read_object(path, fix='prepare the dataset again')
  try:
    return {
      found['name']: sum(map(int, found.get('shardLengths', ())))
      for found in info.get('splits', ())
    }
  except (TypeError, ValueError, LookupError, AttributeError) as error:
    raise UserError(
      f'{path} does not list splits as TFDS does: prepare the dataset again'
    ) from error


def parts_of(name: str) -> list[Dataset]:
  """Returns the parts that a mixture, a dataset or a task reads.

  Raises:
    UnknownNameError: there is no such name; suggests the three nearest.
  """
  plan = names.resolve(name)
  if plan.purpose is None:
    return [task.part for task in names.tasks_of(name)]
  return [member.part for member in plan.members]
