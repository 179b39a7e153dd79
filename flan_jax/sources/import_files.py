"""Files of JSON Lines and the `meta.json` that says what they are.

See `tfds_import` for their form.
"""

from collections.abc import Callable, Iterator, Sequence
import dataclasses
import difflib
import hashlib
import json
import pathlib
import re
from typing import Any

from flan_jax.errors import UserError
from flan_jax.sources import row_check

META_FILE = 'meta.json'
SPLIT_FIELD = '_split'

# What TFDS accepts as a split and leaves to us as a name.
_SPLIT_NAME = re.compile(r'[A-Za-z_][A-Za-z0-9_]*')
_RESERVED_SPLITS = ('all',)

Log = Callable[[str], Any]


class ImportRowsError(UserError):
  """Rows that cannot be imported; names file, line and field, and the mend."""


@dataclasses.dataclass(frozen=True)
class SourceFile:
  """A file and what its entry says of it."""

  path: pathlib.Path
  requested: str
  features: dict[str, Any] | None
  drop: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Row:
  """A checked row: its split, its fields as TFDS stores them, FILE:LINE."""

  split: str
  fields: dict[str, Any]
  place: str

  def line(self) -> bytes:
    """Returns the row as one canonical line, the same for equal rows."""
    text = json.dumps([self.split, self.fields], sort_keys=True)
    return text.encode('ascii') + b'\n'


def find_files(path: pathlib.Path, builder: str | None, log: Log):
  """Returns the files to import, in order of their names."""
  if path.is_dir():
    if builder is not None:
      raise ImportRowsError(
        f'{path.name} is a folder: a builder can be named for one file only; '
        f'state those of a folder in {META_FILE}'
      )
    found = sorted(path.glob('*.jsonl'))
    if not found:
      raise ImportRowsError(f'{path} holds no *.jsonl file')
  elif path.is_file():
    found = [path]
  else:
    raise ImportRowsError(f'{path} does not exist')
  if builder is not None:
    return [SourceFile(path, builder, None, ())]
  folder = path if path.is_dir() else path.parent
  meta = _read_meta(folder / META_FILE)
  if path.is_dir():
    for name in sorted(set(meta) - {x.stem for x in found}):
      log(f'{META_FILE} names {name}, but there is no {name}.jsonl: left out')
  return [_read_entry(x, meta) for x in found]


def _read_meta(path: pathlib.Path) -> dict[str, Any]:
  if not path.exists():
    raise ImportRowsError(
      f'{path} is missing; write {{"FILE STEM": {{"tfds": "NAME/CONFIG:'
      'VERSION"}} for each file, or name the builder of a single file'
    )
  try:
    meta = json.loads(path.read_text(encoding='utf-8'))
  except ValueError as error:
    raise ImportRowsError(f'{path.name}: not JSON: {error}') from error
  if not isinstance(meta, dict):
    raise ImportRowsError(f'{path.name}: must be an object, file stem -> entry')
  return meta


def _read_entry(path: pathlib.Path, meta: dict[str, Any]) -> SourceFile:
  entry = meta.get(path.stem)
  where = f'{META_FILE}: {path.stem}'
  if entry is None:
    hint = difflib.get_close_matches(path.stem, meta, n=1)
    near = f' (it has {hint[0]})' if hint else ''
    raise ImportRowsError(
      f'{META_FILE} says nothing of {path.name}{near}; add '
      f'"{path.stem}": {{"tfds": "NAME/CONFIG:VERSION"}}'
    )
  if not isinstance(entry, dict) or not isinstance(entry.get('tfds'), str):
    raise ImportRowsError(
      f'{where}: needs "tfds", the TFDS name as "NAME/CONFIG:VERSION"'
    )
  drop = entry.get('drop', [])
  if not isinstance(drop, list) or not all(isinstance(x, str) for x in drop):
    raise ImportRowsError(f'{where}: "drop" must be a list of field names')
  return SourceFile(path, entry['tfds'], entry.get('features'), tuple(drop))


def merge_rows(features, files, log: Log) -> tuple[list[Row], int]:
  """Returns the rows of all files and how many were left out as duplicates.

  Rows that repeat within a file are the dataset's own and stay.
  """
  merged: list[Row] = []
  seen: set[bytes] = set()
  total = 0
  for file in files:
    rows = _read_rows(file, features, log)
    total += len(rows)
    if len(files) > 1:
      keys = [hashlib.sha256(row.line()).digest() for row in rows]
      rows = [
        row for row, key in zip(rows, keys, strict=True) if key not in seen
      ]
      seen.update(keys)
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
    raise ImportRowsError(f'{file.path.name}: holds no rows')
  dropped = set(file.drop)
  everywhere = set.intersection(*(set(row) for _, row in found))
  unknown = everywhere - set(features) - dropped - {SPLIT_FIELD}
  rows = []
  for place, row in found:
    fields = {k: v for k, v in row.items() if k not in dropped | unknown}
    try:
      split = _split_of(fields)
      fields = row_check.check_row(features, fields)
    except row_check.FieldError as error:
      # A field left out above may be the one that is missing, misspelt.
      gone = ', '.join(repr(name) for name in sorted(unknown))
      note = f' (this file also has {gone})' if gone else ''
      raise ImportRowsError(f'{place}: {error}{note}') from error
    rows.append(Row(split, fields, place))
  for name in sorted(unknown):
    log(f'{file.path.name}: field {name!r} is unknown to the dataset: dropped')
  return rows


def _parse_lines(path: pathlib.Path) -> Iterator[tuple[str, dict[str, Any]]]:
  """Yields (FILE:LINE, row); empty lines are skipped."""
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
  if SPLIT_FIELD not in fields:
    raise row_check.FieldError(
      SPLIT_FIELD, 'missing; name the split of the row, as "train"'
    )
  split = fields.pop(SPLIT_FIELD)
  if (
    not isinstance(split, str)
    or not _SPLIT_NAME.fullmatch(split)
    or split in _RESERVED_SPLITS
  ):
    raise row_check.FieldError(
      SPLIT_FIELD,
      f'{split!r} is not a name of a split; use letters, digits and _, as in '
      '"validation_matched"',
    )
  return split
