"""Digests of the files of a folder, by which damage is noticed.

  FOLDER/digests.json   {"files": {NAME: [BYTES, SHA-256]}, "sha256": of files}

A file that grows, such as `metrics.jsonl`, is compared up to the size that was
recorded. Folders of older versions have no digests; their files are taken as
they are, and so is a file after `digests.json` was removed.
"""

from collections.abc import Iterable, Mapping
import hashlib
import json
import os

from etils import epath

from flan_jax.errors import UserError
from flan_jax.runtime.paths import user_path, write_whole
from flan_jax.terminal.screen import note

DIGESTS = 'digests.json'
# Bytes that are read at a time.
_BLOCK = 1 << 20

# Size in bytes, and SHA-256.
Digest = tuple[int, str]


class DamagedFileError(UserError):
  """A file that is not as it was written."""


def write(folder: str | os.PathLike, texts: Mapping[str, str | None]) -> None:
  """Writes files of a folder whole, and records them.

  Args:
    folder: The folder, which exists.
    texts: Name -> text. What is None is removed.
  """
  folder = user_path(folder)
  # A kill may come between a file and its digest.
  record(folder, dict.fromkeys(texts))
  found = {}
  for name, text in texts.items():
    if text is None:
      (folder / name).unlink(missing_ok=True)
      continue
    write_whole(folder / name, text)
    data = text.encode()
    found[name] = len(data), hashlib.sha256(data).hexdigest()
  record(folder, found)


def record(
  folder: str | os.PathLike, digests: Mapping[str, Digest | None]
) -> None:
  """Records files that are written; None if one is about to be written."""
  path = user_path(folder) / DIGESTS
  try:
    files = _read(path)
  except DamagedFileError:
    files = {}  # What others were is not known any more.
  changed = {**files, **digests}
  changed = {name: list(d) for name, d in changed.items() if d is not None}
  if changed != files:
    contents = {'files': changed, 'sha256': _sealed(changed)}
    write_whole(path, json.dumps(contents, indent=1, sort_keys=True) + '\n')


def problem(folder: str | os.PathLike, name: str) -> str | None:
  """Returns what is wrong with a file, in a few words; None if nothing is."""
  folder = user_path(folder)
  path = folder / name
  try:
    recorded = _read(folder / DIGESTS).get(name)
  except DamagedFileError as error:
    return f'may be damaged, because {error}'
  if recorded is None:
    return None
  if not path.exists():
    return 'is missing'
  size, digest = recorded
  return None if _digest(path, size) == digest else 'is not as it was written'


def check(folder: str | os.PathLike, *names: str) -> None:
  """Raises DamagedFileError for a file that is damaged or missing."""
  for name in names:
    if reason := problem(folder, name):
      raise DamagedFileError(
        f'{user_path(folder) / name} {reason}: make it again, or remove '
        f'{user_path(folder) / DIGESTS} to take it as it is'
      )


def present(folder: str | os.PathLike, names: Iterable[str]) -> set[str]:
  """Returns the files that are there; says so if one has been removed.

  Raises:
    DamagedFileError: One is damaged.
  """
  folder, found = user_path(folder), set()
  for name in names:
    if (folder / name).exists():
      check(folder, name)
      found.add(name)
    elif problem(folder, name):
      note(f'{folder / name} is missing: going on without it')
  return found


def _read(path: epath.Path) -> dict[str, list]:
  """Returns the recorded files.

  Raises:
    DamagedFileError: They are not as they were written.
  """
  if not path.exists():
    return {}
  try:
    contents = json.loads(path.read_bytes())
    files = contents['files']
    intact = contents['sha256'] == _sealed(files)
  except (ValueError, TypeError, LookupError, RecursionError):
    intact = False
  if not intact:
    raise DamagedFileError(f'{path} is damaged')
  return files


def _sealed(files: Mapping[str, list]) -> str:
  text = json.dumps(files, sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()


def _digest(path: epath.Path, size: int) -> str | None:
  """Returns the SHA-256 of the first bytes; None if there are fewer."""
  digest = hashlib.sha256()
  with path.open('rb') as file:
    while size and (block := file.read(min(size, _BLOCK))):
      digest.update(block)
      size -= len(block)
  return None if size else digest.hexdigest()
