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

from flan_jax.errors import UserError, nearest
from flan_jax.runtime import json_text
from flan_jax.sources.features import FieldError, check_row

META_FILE = 'meta.json'
SPLIT_FIELD = '_split'

# TFDS gives `all` a meaning of its own.
_SPLIT_NAME = re.compile(r'(?!all$)[A-Za-z_][A-Za-z0-9_]{0,99}')

Log = Callable[[str], Any]


class ImportRowsError(UserError):
  """Rows that cannot be imported; names file, line and field, and the fix."""


@dataclasses.dataclass(frozen=True)
class SourceFile:
  """A file and its entry in `meta.json`."""

  path: epath.Path
  requested: str
  features: dict[str, Any] | None = None
  drop: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Rows:
  """The checked rows of a dataset.

  Attributes:
    splits: The fields of each row, by split.
    duplicates: Rows left out because an earlier file has them too.
    sha256: Digest of all rows in their order, in hexadecimal.
  """

  splits: dict[str, list[dict[str, Any]]]
  duplicates: int
  sha256: str


def find_files(path: epath.Path, builder: str | None, log: Log):
  """Returns the files to import, in order of their names."""
  if not path.exists():
    raise ImportRowsError(f'{path} does not exist')
  if not path.is_dir():
    if builder is not None:
      return [SourceFile(path, builder)]
    return [_read_entry(path, _read_meta(path.parent / META_FILE))]
  if builder is not None:
    raise ImportRowsError(
      f'{path} is a folder: name the builders of its files in {META_FILE}'
    )
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
  hook = json_text.without_repeats(path, ImportRowsError)
  return json_text.read_object(path, ImportRowsError, hook=hook)


def _read_entry(path: epath.Path, meta: dict[str, Any]) -> SourceFile:
  where = f'{META_FILE}: {path.stem}'
  if path.stem not in meta:
    raise ImportRowsError(
      f'{META_FILE} has no entry for {path.name}{nearest(path.stem, meta)}; '
      f'add "{path.stem}": {{"tfds": "NAME/CONFIG:VERSION"}}'
    )
  entry = meta[path.stem]
  if not isinstance(entry, dict) or not isinstance(entry.get('tfds'), str):
    raise ImportRowsError(
      f'{where}: needs "tfds", the TFDS name as "NAME/CONFIG:VERSION"'
    )
  drop = entry.get('drop', [])
  if not isinstance(drop, list) or not all(isinstance(x, str) for x in drop):
    raise ImportRowsError(f'{where}: "drop" must be a list of field names')
  return SourceFile(path, entry['tfds'], entry.get('features'), drop)


def merge_rows(features, files: Sequence[SourceFile], log: Log) -> Rows:
  """Reads and checks all files; keeps a row that several have only once.

  Rows that repeat within a file are kept.
  """
  splits: dict[str, list[dict[str, Any]]] = {}
  seen: set[bytes] = set()
  duplicates, total = 0, hashlib.sha256()
  for file in files:
    earlier = frozenset(seen)
    for split, fields in _read_rows(file, features, log):
      # The same for equal rows.
      line = json.dumps([split, fields], sort_keys=True).encode() + b'\n'
      key = hashlib.sha256(line).digest()
      if key in earlier:
        duplicates += 1
        continue
      seen.add(key)
      total.update(line)
      splits.setdefault(split, []).append(fields)
  return Rows(splits, duplicates, total.hexdigest())


def _read_rows(
  file: SourceFile, features, log: Log
) -> Iterator[tuple[str, dict[str, Any]]]:
  """Yields the split and the checked fields of each row."""
  found = list(_parse_lines(file.path))
  if not found:
    raise ImportRowsError(f'{file.path.name} has no rows')
  everywhere = set.intersection(*(set(row) for _, row in found))
  unknown = sorted(everywhere - {*features, *file.drop, SPLIT_FIELD})
  for place, row in found:
    for name in (*file.drop, *unknown):
      row.pop(name, None)
    try:
      yield _split_of(row), check_row(features, row)
    except FieldError as error:
      # One of the dropped fields may be the missing one, misspelt.
      gone = ', '.join(map(repr, unknown))
      note = f' (this file also has {gone})' if gone else ''
      raise ImportRowsError(f'{place}: {error}{note}') from error
  for name in unknown:
    log(f'{file.path.name}: the dataset has no field {name!r}: dropped')


def _parse_lines(path: epath.Path) -> Iterator[tuple[str, dict[str, Any]]]:
  """Yields (FILE:LINE, row); skips empty lines."""
  with path.open('rb') as lines:
    for number, line in enumerate(lines, start=1):
      if not line.strip():
        continue
      place = f'{path.name}:{number}'
      hook = json_text.without_repeats(place, ImportRowsError)
      row = json_text.parse_json(line, place, ImportRowsError, hook)
      if not isinstance(row, dict):
        raise ImportRowsError(f'{place}: must be an object, field -> value')
      yield place, row


def _split_of(row: dict[str, Any]) -> str:
  """Takes the split out of a row."""
  split = row.pop(SPLIT_FIELD, None)
  if not isinstance(split, str) or not _SPLIT_NAME.fullmatch(split):
    raise FieldError(
      SPLIT_FIELD,
      f'must name a split such as "train", not {json.dumps(split)}',
    )
  return split
