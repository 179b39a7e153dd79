"""Files of a cache, which is on local disk or remote (`gs://…`)."""

from collections.abc import Iterator
import contextlib
import json
import os
import pathlib
import shutil
import socket
import tempfile
from typing import Any

from etils import epath

from flan_jax.errors import UserError
from flan_jax.runtime.paths import is_local, write_whole


class CacheError(UserError):
  """A cache that is missing, damaged or made with other settings."""


class MissingCacheError(CacheError):
  """A cached split that has not been made yet."""


def read_json(path: epath.Path) -> Any | None:
  """Returns the contents of a JSON file, None if there is no such file.

  Raises:
    CacheError: the file is not JSON; names it.
  """
  if not path.exists():
    return None
  try:
    return json.loads(path.read_text())
  except (ValueError, RecursionError) as error:
    raise CacheError(f'{path} is damaged ({error}): remove it') from error


def write_json(path: epath.Path, value: Any) -> None:
  """Writes a JSON file, whole or not at all."""
  path.parent.mkdir(parents=True, exist_ok=True)
  write_whole(path, json.dumps(value, indent=1, ensure_ascii=False))


@contextlib.contextmanager
def new_folder(target: epath.Path) -> Iterator[pathlib.Path]:
  """Yields a local folder that becomes `target`, whole or not at all.

  A remote target gets its `.json` files last, so that whoever sees them sees
  the others too. If another writer makes the target first, its files stay.
  """
  if not is_local(target):
    with tempfile.TemporaryDirectory() as folder:
      yield pathlib.Path(folder)
      target.mkdir(parents=True, exist_ok=True)
      names = os.listdir(folder)
      for name in sorted(names, key=lambda n: (n.endswith('.json'), n)):
        epath.Path(folder, name).copy(target / name, overwrite=True)
    return
  name = f'.{target.name}.{_host()}-{os.getpid()}.writing'
  temporary = pathlib.Path(target.parent, name)
  temporary.mkdir(parents=True)
  try:
    yield temporary
    try:
      os.replace(temporary, target)
    except OSError:
      if not target.exists():
        raise
  finally:
    # A full disk has no room for anything else either.
    shutil.rmtree(temporary, ignore_errors=True)


def remove_leftovers(folder: epath.Path) -> None:
  """Removes what `new_folder` left of killed processes of this machine."""
  if not is_local(folder):
    return
  for path in pathlib.Path(folder).glob('.*.writing'):
    host, _, process = path.name.split('.')[-2].rpartition('-')
    if host == _host() and not pathlib.Path(f'/proc/{process}').exists():
      shutil.rmtree(path, ignore_errors=True)


def _host() -> str:
  return socket.gethostname().replace('.', '_')
