"""Rows of files as Arrow tables whose columns TensorFlow can hold.

  text                 a string; a missing one is empty
  int64, float64, bool numbers and truth values; with gaps they are text
  {"sequence": X}      a list of these; a list of objects is an object of lists
  {name: X}            an object

Dates, times and decimals are text. Every column of CSV is text, because CSV has
no types: "01" stays "01". Columns of other types (bytes, images) are left out.
"""

from collections.abc import Mapping
import dataclasses
import functools
import importlib.util
import json
from typing import Any

from etils import epath, epy

from flan_jax.sources.datasets_folder import read_folder
from flan_jax.sources.table_files import (
  HUB,
  SPLIT_WORDS,
  TableError,
  TableFiles,
  csv_columns,
  csv_delimiter,
)

with epy.lazy_imports():
  import pyarrow as pa
  import pyarrow.compute as pa_compute
  import pyarrow.csv as pa_csv
  import pyarrow.json as pa_json
  import pyarrow.parquet as pa_parquet

# Columns that name the split of each row; the second only if all its values do.
SPLIT_COLUMNS = ('_split', 'split')
# A row of JSON Lines must fit in a block.
_JSON_BLOCK = 64 * 2**20


@dataclasses.dataclass(frozen=True)
class Tables:
  """The rows of a source.

  Attributes:
    splits: Split -> `pyarrow.Table`; all have the same columns.
    classes: Column -> names of its classes, for numbered classes.
    left_out: Column -> its type, for columns of types that are not read.
  """

  splits: Mapping[str, Any]
  classes: Mapping[str, tuple[str, ...]]
  left_out: Mapping[str, str]

  @property
  def schema(self) -> Any:
    return next(iter(self.splits.values())).schema

  @property
  def sizes(self) -> dict[str, int]:
    """Split -> rows."""
    return {split: len(table) for split, table in self.splits.items()}

  @property
  def features(self) -> dict[str, Any]:
    """Column -> what it holds, in the words of the module."""
    return {
      field.name: list(self.classes.get(field.name, ())) or _words(field.type)
      for field in self.schema
    }


def read_tables(files: TableFiles) -> Tables:
  """Reads the rows of a source; those of a file that is unchanged only once.

  Raises:
    TableError: A file cannot be read; names the file.
  """
  if importlib.util.find_spec('pyarrow') is None:
    raise TableError(
      f'{files.paths[0]} is read by pyarrow: pip install pyarrow'
    )
  return _read(files, files.signature())


@functools.lru_cache(maxsize=16)
def _read(files: TableFiles, signature: Any) -> Tables:
  del signature  # A changed file is read again.
  where = ', '.join(path.name for path in files.paths[:3])
  if files.kind == HUB:
    raw = read_folder(files.splits[0][1][0])
  else:
    raw = _read_files(files)
  noted = _classes(raw[0][1])
  if len(raw) == 1:
    raw = _divided(where, raw[0][1])
  # Whether a column has gaps, and its type, is decided over all splits.
  with _explained(where):
    whole = pa.concat_tables(
      [table for _, table in raw], promote_options='permissive'
    )
  if not len(whole):
    raise TableError(f'{where}: there are no rows')
  with _explained(where):
    simple = _simple_table(whole)
  if not simple.column_names:
    raise TableError(f'{where}: no column holds text, numbers or lists')
  splits, start = {}, 0
  for split, table in raw:
    splits[split] = simple.slice(start, len(table))
    start += len(table)
  left_out = {
    field.name: str(field.type)
    for field in whole.schema
    if field.name not in simple.column_names
  }
  # With gaps, the numbers of classes are text.
  classes = {
    name: found
    for name, found in noted.items()
    if simple.schema.field(name).type == pa.int64()
  }
  return Tables(splits, classes, left_out)


def _read_files(files: TableFiles) -> list[tuple[str, Any]]:
  """Returns (split, table) of files that Arrow reads."""
  read = {'csv': _read_csv, 'json': _read_json, 'parquet': _read_parquet}
  first, found = None, []
  for split, paths in files.splits:
    tables = [read[files.kind](path) for path in paths]
    for path, table in zip(paths, tables, strict=True):
      first = first or (path, table)
      # Keys of JSON may be missing.
      if files.kind != 'json' and table.column_names != first[1].column_names:
        raise TableError(
          f'{path} has the columns {table.column_names}, but {first[0].name} '
          f'has {first[1].column_names}'
        )
    with _explained(paths[0]):
      whole = pa.concat_tables(tables, promote_options='permissive')
    found.append((split, whole))
  return found


def _read_csv(path: epath.Path) -> Any:
  names = csv_columns(path)
  with _explained(path), path.open('rb') as file:
    return pa_csv.read_csv(
      file,
      parse_options=pa_csv.ParseOptions(
        delimiter=csv_delimiter(path), newlines_in_values=True
      ),
      convert_options=pa_csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string())
      ),
    )


def _read_json(path: epath.Path) -> Any:
  def read(schema=None):
    with path.open('rb') as file:
      return pa_json.read_json(
        file,
        pa_json.ReadOptions(block_size=_JSON_BLOCK),
        pa_json.ParseOptions(explicit_schema=schema),
      )

  with _explained(path, ': write one JSON object a line, alike in type'):
    table = read()
    # Arrow takes text such as "2020-01-02" for a time.
    schema = pa.schema([(f.name, _no_times(f.type)) for f in table.schema])
    return table if schema == table.schema else read(schema)


def _no_times(kind: Any) -> Any:
  if pa.types.is_timestamp(kind):
    return pa.string()
  if pa.types.is_list(kind):
    return pa.list_(_no_times(kind.value_type))
  if pa.types.is_struct(kind):
    return pa.struct([(f.name, _no_times(f.type)) for f in kind])
  return kind


def _read_parquet(path: epath.Path) -> Any:
  with _explained(path), path.open('rb') as file:
    return pa_parquet.read_table(file)


class _explained:
  """Turns what Arrow raises into an error that names the file."""

  def __init__(self, name: str | epath.Path, fix: str = ''):
    self._name, self._fix = name, fix

  def __enter__(self):
    return self

  def __exit__(self, kind, error, trace):
    if isinstance(error, pa.ArrowException | UnicodeDecodeError):
      reason = ' '.join(str(error).split())
      raise TableError(f'{self._name}: {reason}{self._fix}') from error


def _classes(table: Any) -> dict[str, tuple[str, ...]]:
  """Returns the classes that the `datasets` library notes in a schema."""
  metadata = table.schema.metadata or {}
  noted = json.loads(metadata.get(b'huggingface', b'{}'))
  return {
    name: tuple(about['names'])
    for name, about in noted.get('info', {}).get('features', {}).items()
    if isinstance(about, dict)
    and about.get('_type') == 'ClassLabel'
    and name in table.column_names
  }


def _divided(where: str, table: Any) -> list[tuple[str, Any]]:
  """Divides rows by a column that names their split, if there is one."""
  for column in SPLIT_COLUMNS:
    if column not in table.column_names:
      continue
    values = [str(value) for value in table[column].to_pylist()]
    unknown = next((v for v in values if v.lower() not in SPLIT_WORDS), None)
    if unknown is not None and column == '_split':
      raise TableError(
        f'{where}: {column} of row {values.index(unknown) + 1} is {unknown!r}; '
        'write train, validation or test'
      )
    if unknown is None and values:
      splits = pa.array([SPLIT_WORDS[value.lower()] for value in values])
      rest = table.drop_columns([column])
      return [
        (split, rest.filter(pa_compute.equal(splits, split)))
        for split in dict.fromkeys(splits.to_pylist())
      ]
  return [('train', table)]


def _simple_table(table: Any) -> Any:
  columns = {name: _simple(table[name]) for name in table.column_names}
  return pa.table({name: c for name, c in columns.items() if c is not None})


def _simple(column: Any) -> Any:
  """Returns a column as one of the types of the module; None if it has none."""
  is_a, kind = pa.types, column.type
  if isinstance(column, pa.ChunkedArray):
    if is_a.is_string(kind):
      column = column.cast(pa.large_string())  # May have more than 2 GiB.
    # Of one piece: whether it has gaps is decided for all rows.
    simple = _simple(
      pa.concat_arrays([*column.chunks, pa.array([], column.type)])
    )
    return None if simple is None else pa.chunked_array([simple])
  if is_a.is_dictionary(kind):
    return _simple(column.dictionary_decode())
  if is_a.is_list(kind) or is_a.is_large_list(kind):
    return _simple_list(column)
  if is_a.is_struct(kind):
    parts = {f.name: _simple(column.field(f.name)) for f in kind}
    parts = {name: part for name, part in parts.items() if part is not None}
    return pa.StructArray.from_arrays(parts.values(), parts) if parts else None
  numbers = {
    pa.int64(): is_a.is_integer,
    pa.float64(): is_a.is_floating,
    pa.bool_(): is_a.is_boolean,
  }
  number = next((found for found, test in numbers.items() if test(kind)), None)
  if number is not None and not column.null_count:
    return column.cast(number)
  texts = (
    *(is_a.is_string, is_a.is_large_string, is_a.is_null),
    *(is_a.is_temporal, is_a.is_decimal),
  )
  if number is not None or any(test(kind) for test in texts):
    return pa_compute.fill_null(column.cast(pa.large_string()), '')
  return None


def _simple_list(column: Any) -> Any:
  if column.null_count:
    # A missing list is an empty one.
    column = pa.array([x or [] for x in column.to_pylist()], column.type)
  values = _simple(column.flatten())
  if values is None:
    return None
  offsets = pa_compute.subtract(column.offsets, column.offsets[0])
  return pa.LargeListArray.from_arrays(offsets.cast(pa.int64()), values)


def _words(kind: Any) -> Any:
  """Returns a type of `_simple` in the words of the module."""
  if pa.types.is_large_list(kind):
    return {'sequence': _words(kind.value_type)}
  if pa.types.is_struct(kind):
    return {field.name: _words(field.type) for field in kind}
  names = {pa.large_string(): 'text', pa.float64(): 'float64'}
  return names.get(kind, str(kind))
