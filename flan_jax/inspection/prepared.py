"""Which datasets are prepared, and how many rows they have (no TensorFlow)."""

import pathlib
import shlex
from typing import NamedTuple

from flan_jax.definitions import names
from flan_jax.definitions.dataset import Dataset
from flan_jax.errors import UserError
from flan_jax.rendering import splits
from flan_jax.runtime.json_text import read_object
from flan_jax.runtime.paths import user_path
from flan_jax.sources.copies import default_data_dir, find_copy

PREPARED, DOWNLOAD, MANUAL = 'prepared', 'to download', 'manual'
STATES = (PREPARED, DOWNLOAD, MANUAL)

# Origins of a number of rows. It is an estimate if several splits divide a TFDS
# split by a hash, because only reading the rows would tell.
COPY, ESTIMATE, RECORDED = 'copy', 'estimate', 'recorded'


class Rows(NamedTuple):
  """Number of rows in one split of a part, before filters."""

  count: int
  origin: str  # `COPY`, `ESTIMATE` or `RECORDED`.


def data_root(data_dir: str | None) -> pathlib.Path:
  """Returns the TFDS data directory; the default of TFDS if None."""
  return user_path(data_dir or default_data_dir())


def manual_folder(data_dir: str | None) -> pathlib.Path:
  """Returns where TFDS expects files that are downloaded manually."""
  return data_root(data_dir) / 'downloads' / 'manual'


def prepare_command(name: str, data_dir: str | None) -> str:
  """Returns the command that downloads a dataset."""
  flag = f' --data_dir={shlex.quote(data_dir)}' if data_dir else ''
  return f'flan-jax prepare {name}{flag}'


def status_of(part: Dataset, data_dir: str | None) -> str:
  """Returns which of `STATES` a resolved part is in."""
  if find_copy(part.source, data_dir):
    return PREPARED
  return MANUAL if part.manual else DOWNLOAD


def rows_of(part: Dataset, split: str, data_dir: str | None) -> Rows:
  """Returns the number of rows in a split of a resolved part."""
  folder = find_copy(part.source, data_dir)
  if folder is None:
    return Rows(part.rows.get(split, 0), RECORDED)
  path = folder / 'dataset_info.json'
  info = read_object(path, fix='prepare the dataset again')
  try:
    sizes = {
      found['name']: sum(map(int, found.get('shardLengths', ())))
      for found in info.get('splits', ())
    }
  except (TypeError, ValueError, LookupError, AttributeError) as error:
    raise UserError(
      f'{path} does not list splits as TFDS does: prepare the dataset again'
    ) from error
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


def parts_of(name: str) -> list[Dataset]:
  """Returns the parts that a mixture, a dataset or a task reads.

  Raises:
    UnknownNameError: there is no such name; suggests the three nearest.
  """
  plan = names.resolve(name)
  if plan.purpose is None:
    return [task.part for task in names.tasks_of(name)]
  return [member.part for member in plan.members]
