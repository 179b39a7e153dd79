"""Folders that may lie on another machine (`gs://…`), through fsspec."""

from collections.abc import Iterator
import contextlib
import glob
import hashlib
import json
import os
import pathlib
import tempfile
from typing import Any


def is_remote(path: str) -> bool:
  """Returns whether a path names a file system, as `gs://bucket/folder`."""
  return '://' in path


def _filesystem(path: str):
  import fsspec

  return fsspec.core.url_to_fs(path)


def read_json(path: str) -> Any | None:
  """Returns the contents of a JSON file, None where there is no such file.

  Raises:
    ValueError: it is no JSON; names the file.
  """
  if is_remote(path):
    filesystem, place = _filesystem(path)
    text = filesystem.cat_file(place) if filesystem.isfile(place) else None
  else:
    local = pathlib.Path(path)
    text = local.read_bytes() if local.is_file() else None
  try:
    return None if text is None else json.loads(text)
  except ValueError as error:
    raise ValueError(f'{path} is damaged ({error}): remove it') from error


def write_json(path: str, value: Any) -> None:
  """Writes a JSON file, whole or not at all."""
  text = json.dumps(value, indent=1, ensure_ascii=False)
  if is_remote(path):
    filesystem, place = _filesystem(path)
    # Object stores show a file when it is whole.
    filesystem.pipe_file(place, text.encode())
    return
  final = pathlib.Path(path)
  final.parent.mkdir(parents=True, exist_ok=True)
  temporary = final.with_name(f'.{final.name}.{os.getpid()}.writing')
  temporary.write_text(text, encoding='utf-8')
  os.replace(temporary, final)


def find(root: str, pattern: str) -> list[str]:
  """Returns the paths below a folder that match a pattern with `*`."""
  if not is_remote(root):
    return sorted(glob.glob(f'{glob.escape(root)}/{pattern}'))
  filesystem, place = _filesystem(root)
  found = filesystem.glob(f'{place}/{pattern}')
  return sorted(map(filesystem.unstrip_protocol, found))


@contextlib.contextmanager
def upload_when_done(target: str) -> Iterator[str]:
  """Yields a local folder whose files are copied to `target` afterwards.

  They are copied in the order of their names with the `.json` files last, so
  that whoever sees those sees all of them.
  """
  with tempfile.TemporaryDirectory() as folder:
    yield folder
    filesystem, place = _filesystem(target)
    filesystem.makedirs(place, exist_ok=True)
    files = sorted(os.listdir(folder), key=lambda n: (n.endswith('.json'), n))
    for name in files:
      filesystem.put_file(os.path.join(folder, name), f'{place}/{name}')


def local_copy(path: str, names: list[str], folder: pathlib.Path) -> str:
  """Copies files of a remote folder to local disk, those that are not there.

  Args:
    path: The remote folder.
    names: Its files, the last one written last here too.
    folder: Local folder below which copies lie.

  Returns:
    The local folder.
  """
  filesystem, place = _filesystem(path)
  # One spelling of the path, however it was given.
  name = filesystem.unstrip_protocol(place)
  key = hashlib.sha256(name.encode()).hexdigest()[:12]
  target = folder / f'{pathlib.PurePosixPath(place).name}-{key}'
  for name in names:
    local = target / name
    if local.exists():
      continue
    local.parent.mkdir(parents=True, exist_ok=True)
    temporary = local.with_name(f'.{local.name}.{os.getpid()}.writing')
    filesystem.get_file(f'{place}/{name}', str(temporary))
    os.replace(temporary, local)
  return str(target)
