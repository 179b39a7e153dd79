"""The files that a source other than TFDS names (no TensorFlow, no Arrow).

- `json:PATH`, `csv:PATH`, `parquet:PATH`: a file, a folder or a pattern of
  files;
- `hf:FOLDER`: a local folder that the `datasets` library reads, as in
  `hf:./rows`;
- `hf:OWNER/NAME[/CONFIG]`: a dataset of the Hugging Face hub, once `flan-jax
  prepare` has downloaded it.

Relative paths start at the working directory. If names of files begin with
names of splits (`train.jsonl`, `test-00000-of-00002.parquet`), these are the
splits. Otherwise all rows are `train`, unless a column names their splits, see
`arrow_tables`.
"""

import csv
import dataclasses
import functools
import hashlib
import io
import os
import pathlib
import re
from typing import Any

from etils import epath

from flan_jax.errors import UserError
from flan_jax.runtime import json_text
from flan_jax.runtime.paths import is_local, user_path
from flan_jax.sources.data_dir import data_root

# Kind of a source -> the endings of its files.
ENDINGS = {
  'json': ('.jsonl', '.json', '.ndjson'),
  'csv': ('.csv', '.tsv'),
  'parquet': ('.parquet',),
}
HUB = 'hf'
# Names of splits as people write them -> ours.
SPLIT_WORDS = {
  **dict.fromkeys(('train', 'training'), 'train'),
  **dict.fromkeys(('validation', 'valid', 'val', 'dev'), 'validation'),
  **dict.fromkeys(('test', 'testing'), 'test'),
}
_FIRST_WORD = re.compile(r'[A-Za-z]+')
# No name leads out of a folder.
_HUB_NAME = re.compile(r'\w[\w.-]*/\w[\w.-]*(/\w[\w.+-]*)?')
# Rows whose keys are looked at for the names of columns.
_PEEKED_ROWS = 100


class TableError(UserError):
  """Rows of a file that cannot be read; names the file and the fix."""


@dataclasses.dataclass(frozen=True)
class TableFiles:
  """What a source names.

  Attributes:
    kind: 'json', 'csv' or 'parquet'; 'hf' for a folder that the `datasets`
      library reads.
    splits: Split -> its files, in order. A folder of kind 'hf' has the entry
      'train' for the folder itself.
  """

  kind: str
  splits: tuple[tuple[str, tuple[epath.Path, ...]], ...]

  @functools.cached_property
  def paths(self) -> tuple[epath.Path, ...]:
    """All files, those in folders included, in order."""
    found = [path for _, paths in self.splits for path in paths]
    if self.kind == HUB:
      inside = sorted(pathlib.Path(found[0]).rglob('*'))
      found = [epath.Path(path) for path in inside if path.is_file()]
    return tuple(found)

  def signature(self) -> tuple[tuple[str, int, float], ...]:
    """Returns path, bytes and time of change of every file."""
    return tuple(map(_state, self.paths))


def _state(path: epath.Path) -> tuple[str, int, float]:
  if is_local(path):
    found = os.stat(path)
    return os.path.abspath(path), found.st_size, found.st_mtime_ns
  found = path.stat()
  return os.fspath(path), found.length, found.mtime


def is_table(source: str) -> bool:
  """Returns whether a source is one of files, and not of TFDS.

  >>> is_table('csv:rows.csv'), is_table('super_glue/rte:1.0.2')
  (True, False)
  """
  kind, colon, _ = source.partition(':')
  return bool(colon) and kind in (*ENDINGS, HUB)


def hub_name(source: str) -> str | None:
  """Returns what a source names on the hub; None if it is of local files.

  Raises:
    TableError: Neither a name of the hub nor a path.
  """
  kind, _, rest = source.partition(':')
  if kind != HUB or rest.startswith(('.', '/', '~')):
    return None
  if not _HUB_NAME.fullmatch(rest):
    raise TableError(
      f'{source!r}: write hf:OWNER/NAME/CONFIG, such as hf:nyu-mll/glue/rte, '
      'or hf:./FOLDER for a local folder'
    )
  return rest


def hub_folder(name: str, data_dir: str | None) -> epath.Path:
  """Returns where `flan-jax prepare` puts a dataset of the hub.

  Args:
    name: From `hub_name`.
    data_dir: TFDS data directory; None for TFDS's default.
  """
  return data_root(data_dir) / HUB / name / 'rows'


def find_files(source: str, data_dir: str | None) -> TableFiles | None:
  """Returns the files of a source; None if there are none.

  Args:
    source: See the module.
    data_dir: TFDS data directory; None for TFDS's default.

  Raises:
    TableError: Some names of files name splits, and some do not.
  """
  kind, _, rest = source.partition(':')
  name = hub_name(source)
  if name is not None:
    # Each file has the name of its split.
    paths = _matching(hub_folder(name, data_dir), ENDINGS['parquet'])
    splits = [(SPLIT_WORDS.get(p.stem, p.stem), (p,)) for p in paths]
    return TableFiles('parquet', tuple(splits)) if splits else None
  path = user_path(rest)
  if kind == HUB:
    if not is_local(path):
      raise TableError(f'{source}: copy it to a local folder')
    return TableFiles(kind, (('train', (path,)),)) if path.is_dir() else None
  paths = _matching(path, ENDINGS[kind])
  return _by_split(kind, paths, source) if paths else None


def missing_files(source: str, name: str, data_dir: str | None) -> str:
  """Returns what to do where `find_files` finds nothing.

  Args:
    source: See the module.
    name: The name that `flan-jax prepare` takes.
    data_dir: TFDS data directory; None for TFDS's default.
  """
  if hub_name(source) is None:
    where = source.partition(':')[2]
    folder = '' if where.startswith(('/', '~')) else f' in {os.getcwd()}'
    return f'{name} reads {source}, but there is no {where}{folder}'
  flag = f' --data_dir={data_dir}' if data_dir else ''
  return (
    f'{source} is not in {hub_folder(hub_name(source), data_dir).parent}. '
    f'Download it with `flan-jax prepare {name}{flag}`'
  )


def _matching(path: epath.Path, endings: tuple[str, ...]) -> list[epath.Path]:
  if path.is_dir():
    return sorted(p for p in path.iterdir() if p.suffix in endings)
  if any(letter in path.name for letter in '*?['):
    return sorted(path.parent.glob(path.name))
  return [path] if path.exists() else []


def _by_split(kind: str, paths: list[epath.Path], source: str) -> TableFiles:
  """Sorts files by the splits that their names begin with."""
  splits: dict[str | None, list[epath.Path]] = {}
  for path in paths:
    word = _FIRST_WORD.match(path.name)
    split = SPLIT_WORDS.get(word[0].lower()) if word else None
    splits.setdefault(split, []).append(path)
  unnamed = splits.pop(None, [])
  if unnamed and splits:
    raise TableError(
      f'{source}: {unnamed[0].name} does not begin with the name of a split, '
      f'as {next(iter(splits.values()))[0].name} does: rename it to '
      f'train…, validation… or test…'
    )
  splits = splits or {'train': unnamed}
  found = tuple((split, tuple(files)) for split, files in splits.items())
  return TableFiles(kind, found)


def files_digest(files: TableFiles) -> str:
  """Returns a hash of the names of splits and the bytes of their files."""
  return _digest(files, files.signature())


@functools.lru_cache(maxsize=256)
def _digest(files: TableFiles, signature: Any) -> str:
  del signature  # A changed file is read again.
  total = hashlib.sha256()
  of_split = {path: s for s, paths in files.splits for path in paths}
  for path in files.paths:
    with path.open('rb') as file:
      found = hashlib.file_digest(file, 'sha256').hexdigest()
    total.update(f'{of_split.get(path, path.name)} {found}\n'.encode())
  return total.hexdigest()


def csv_columns(path: epath.Path) -> list[str]:
  """Returns the names in the first line of a CSV file.

  Raises:
    TableError: There is none, or two columns share their name.
  """
  with path.open('rb') as file:
    text = io.TextIOWrapper(file, encoding='utf-8-sig', newline='')
    try:
      names = next(csv.reader(text, delimiter=csv_delimiter(path)), [])
    except (csv.Error, UnicodeDecodeError) as error:
      raise TableError(
        f'{path} is not CSV in UTF-8 ({error}): save it as UTF-8'
      ) from error
  if not names:
    raise TableError(f'{path} is empty: its first line names the columns')
  if len(names) == 1 and ';' in names[0]:
    raise TableError(
      f'{path}: columns are separated by semicolons; save it with commas'
    )
  if twice := [name for name in names if names.count(name) > 1]:
    raise TableError(f'{path}: two columns are named {twice[0]!r}; rename one')
  return names


def csv_delimiter(path: epath.Path) -> str:
  """Returns what separates the columns of a file."""
  return '\t' if path.suffix == '.tsv' else ','


def peek_columns(source: str) -> list[str] | None:
  """Returns the columns of a local file, without reading all of it.

  Returns:
    None if there is no such file, or if only the `datasets` library can tell.

  Raises:
    TableError: The file cannot be read.
  """
  files = None if source.startswith(f'{HUB}:') else find_files(source, None)
  if files is None:
    return None
  path = files.paths[0]
  if files.kind == 'csv':
    return csv_columns(path)
  if files.kind == 'parquet':
    import pyarrow.parquet

    with path.open('rb') as file:
      return pyarrow.parquet.read_schema(file).names
  names: dict[str, None] = {}
  with path.open('rb') as lines:
    for number, line in zip(range(1, _PEEKED_ROWS + 1), lines, strict=False):
      if line.strip():
        row = json_text.parse_json(line, f'{path}:{number}', TableError)
        if not isinstance(row, dict):
          raise TableError(f'{path}:{number}: write one object a line')
        names |= dict.fromkeys(row)
  return list(names)
