"""Files of JSON Lines and the `meta.json` that describes them.

`tfds_import` documents their form.
"""

from collections.abc import Callable, Iterator, Sequence
import dataclasses
import hashlib
import json
import re
from typing import Any

from etils import epath

from flan_jax.errors import UserError
from flan_jax.sources.features import FieldError, check_row, nearest

META_FILE = 'meta.json'
SPLIT_FIELD = '_split'

# TFDS gives `all` a meaning of its own.
_SPLIT_NAME = re.compile(r'(?!all$)[A-Za-z_][A-Za-z0-9_]*')

Log = Callable[[str], Any]


class ImportRowsError(UserError):
  """Rows that cannot be imported; names file, line and field, and the fix."""


@dataclasses.dataclass(frozen=True)
class SourceFile:
  """A file and its entry in `meta.json`."""

  path: epath.Path
  requested: str
  features: dict[str, Any] | None = None
  drop: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Row:
  """A checked row: its split and its fields."""

  split: str
  fields: dict[str, Any]

  def line(self) -> bytes:
    """Returns the row as one canonical line, the same for equal rows."""
    text = json.dumps([self.split, self.fields], sort_keys=True)
    return text.encode('ascii') + b'\n'


def find_files(path: epath.Path, builder: str | None, log: Log):
  """Returns the files to import, in order of their names."""
  if not path.exists():
    raise ImportRowsError(f'{path} does not exist')
  if builder is not None:
    if path.is_dir():
      raise ImportRowsError(
        f'{path} is a folder: name a builder for a single file only, and those '
        f'of a folder in {META_FILE}'
      )
    return [SourceFile(path, builder)]
  if not path.is_dir():
    return [_read_entry(path, _read_meta(path.parent / META_FILE))]
  found = sorted(x for x in path.iterdir() if x.suffix == '.jsonl')
  if not found:
    raise ImportRowsError(f'{path} has no *.jsonl file')
  meta = _read_meta(path / META_FILE)
  for name in sorted(set(meta) - {x.stem for x in found}):
    log(f'{META_FILE} names {name}, but there is no {name}.jsonl: left out')
  return [_read_entry(x, meta) for x in found]


def _read_meta(path: epath.Path) -> dict[str, Any]:
  if not path.exists():
    raise ImportRowsError(
      f'{path} is missing; write {{"FILE STEM": {{"tfds": "NAME/CONFIG:'
      'VERSION"}} for each file, or name the builder of a single file'
    )
  try:
    meta = json.loads(path.read_text())
  except ValueError as error:
    raise ImportRowsError(f'{path} is not JSON: {error}') from error
  if not isinstance(meta, dict):
    raise ImportRowsError(f'{path} must be an object, file stem -> entry')
  return meta


def _read_entry(path: epath.Path, meta: dict[str, Any]) -> SourceFile:
  entry = meta.get(path.stem)
  where = f'{META_FILE}: {path.stem}'
  if entry is None:
    raise ImportRowsError(
      f'{META_FILE} has no entry for {path.name}{nearest(path.stem, meta)}; '
      f'add "{path.stem}": {{"tfds": "NAME/CONFIG:VERSION"}}'
    )
  if not isinstance(entry, dict) or not isinstance(entry.get('tfds'), str):
    raise ImportRowsError(
      f'{where}: needs "tfds", the TFDS name as "NAME/CONFIG:VERSION"'
    )
  drop = entry.get('drop', [])
  if not isinstance(drop, list) or not all(isinstance(x, str) for x in drop):
    raise ImportRowsError(f'{where}: "drop" must be a list of field names')
  return SourceFile(path, entry['tfds'], entry.get('features'), tuple(drop))


def merge_rows(
  features, files: Sequence[SourceFile], log: Log
) -> tuple[list[Row], int]:
  """Returns the rows of all files, and how many duplicates were left out.

  A row that several files have is kept once. Rows that repeat within a file
  are kept.
  """
  merged: list[Row] = []
  seen: set[bytes] = set()
  total = 0
  for file in files:
    rows = _read_rows(file, features, log)
    total += len(rows)
    if len(files) > 1:
      keyed = [(hashlib.sha256(row.line()).digest(), row) for row in rows]
      rows = [row for key, row in keyed if key not in seen]
      seen.update(key for key, _ in keyed)
    merged += rows
  return merged, total - len(merged)


def digest(rows: Sequence[Row]) -> str:
  """Returns the SHA-256 of rows in their order, in hexadecimal."""
  total = hashlib.sha256()
  for row in rows:
    total.update(row.line())
  return total.hexdigest()


def _read_rows(file: SourceFile, features, log: Log) -> list[Row]:
  """Returns the checked rows of a file."""
  found = list(_parse_lines(file.path))
  if not found:
    raise ImportRowsError(f'{file.path.name} has no rows')
  dropped = set(file.drop)
  everywhere = set.intersection(*(set(row) for _, row in found))
  unknown = everywhere - set(features) - dropped - {SPLIT_FIELD}
  rows = []
  for place, row in found:
    fields = {k: v for k, v in row.items() if k not in dropped | unknown}
    try:
      split = _split_of(fields)
      fields = check_row(features, fields)
    except FieldError as error:
      # One of the dropped fields may be the missing one, misspelt.
      gone = ', '.join(repr(name) for name in sorted(unknown))
      note = f' (this file also has {gone})' if gone else ''
      raise ImportRowsError(f'{place}: {error}{note}') from error
    rows.append(Row(split, fields))
  for name in sorted(unknown):
    log(f'{file.path.name}: the dataset has no field {name!r}: dropped')
  return rows


def _parse_lines(path: epath.Path) -> Iterator[tuple[str, dict[str, Any]]]:
  """Yields (FILE:LINE, row); skips empty lines."""
  with path.open('rb') as lines:
    for number, line in enumerate(lines, start=1):
      place = f'{path.name}:{number}'
      if not line.strip():
        continue
      try:
        row = json.loads(line.decode('utf-8'))
      except ValueError as error:
        raise ImportRowsError(
          f'{place}: not a line of JSON in UTF-8: {error}'
        ) from error
      if not isinstance(row, dict):
        raise ImportRowsError(f'{place}: must be an object, field -> value')
      yield place, row


def _split_of(fields: dict[str, Any]) -> str:
  """Takes the split out of a row's fields."""
  split = fields.pop(SPLIT_FIELD, None)
  if split is None:
    raise FieldError(
      SPLIT_FIELD, 'missing; name the split of the row, such as "train"'
    )
  if not isinstance(split, str) or not _SPLIT_NAME.fullmatch(split):
    raise FieldError(
      SPLIT_FIELD,
      f'{split!r} is not the name of a split; use letters, digits and _, as in '
      '"validation_matched"',
    )
  return split
