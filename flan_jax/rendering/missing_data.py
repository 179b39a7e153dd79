"""Data that is not prepared: all of it at once, with what gets it.

Needs no TensorFlow, so that a run says it before it starts anything.
"""

from collections.abc import Iterable, Iterator, Sequence
import shlex

from flan_jax.definitions.dataset import Dataset
from flan_jax.rendering.splits import MissingDataError
from flan_jax.runtime.paths import is_local
from flan_jax.sources.copies import find_copy
from flan_jax.sources.data_dir import data_root
from flan_jax.sources.table_files import (
  find_files,
  hub_name,
  is_table,
  missing_files,
)
from flan_jax.terminal.blocks import wrapped


def missing_parts(
  parts: Iterable[Dataset], data_dir: str | None
) -> list[Dataset]:
  """Returns the parts whose rows are not there, one for each source."""
  sources = {part.source: part for part in parts}
  return [part for part in sources.values() if _is_missing(part, data_dir)]


def _is_missing(part: Dataset, data_dir: str | None) -> bool:
  if is_table(part.source):
    return find_files(part.source, data_dir) is None
  # TFDS itself looks into buckets.
  local = is_local(data_root(data_dir))
  return local and find_copy(part.source, data_dir) is None


def missing_data(
  parts: Sequence[Dataset], data_dir: str | None, leave_out: str
) -> MissingDataError:
  """Returns the error that names missing parts and how to get them.

  Args:
    parts: From `missing_parts`.
    data_dir: TFDS data directory; None for TFDS's default.
    leave_out: The flag or argument that leaves them out.
  """
  lines = '\n  '.join(_lines(parts, data_dir, leave_out))
  return MissingDataError(lines)


def _lines(
  parts: Sequence[Dataset], data_dir: str | None, leave_out: str
) -> Iterator[str]:
  files = [p for p in parts if is_table(p.source) and not hub_name(p.source)]
  others = [part for part in parts if part not in files]
  flag = f' --data_dir={shlex.quote(data_dir)}' if data_dir else ''
  if others:
    listed = ', '.join(f'{part.name} ({part.source})' for part in others)
    yield f'not prepared in {data_root(data_dir)}:'
    yield from wrapped(listed, '  ')
    names = ' '.join(part.name for part in others)
    yield f'download with `flan-jax prepare {names}{flag}` (or with --from=hf)'
  for part in filter(lambda part: part.manual, others):
    yield f'first download for {part.name}, by hand: {part.manual}'
  for part in files:
    yield missing_files(part.source, part.name, data_dir)
  own = flag or ' --data_dir=DIR'
  yield f'or bring rows with `flan-jax import-data --input=DIR{own}`'
  yield f'or leave data out with {leave_out}'
