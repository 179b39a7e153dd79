"""Folders that the workers of a test run, and later runs, share."""

from collections.abc import Callable, Iterable, Iterator
import contextlib
import fcntl
import hashlib
import pathlib
import tempfile

import flan_jax

_PACKAGE = pathlib.Path(flan_jax.__file__).resolve().parent


def code_digest(rooms: Iterable[str]) -> str:
  """Returns a digest of everything in these folders of the package."""
  digest = hashlib.sha256()
  for room in rooms:
    for path in sorted((_PACKAGE / room).rglob('*')):
      if path.is_file() and path.suffix != '.pyc':
        digest.update(path.name.encode() + path.read_bytes())
  return digest.hexdigest()[:12]


@contextlib.contextmanager
def locked(folder: pathlib.Path) -> Iterator[None]:
  """Keeps other workers from adding to a folder."""
  folder.parent.mkdir(parents=True, exist_ok=True)
  with open(f'{folder}.lock', 'w') as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    yield


def make_once(
  folder: pathlib.Path, make: Callable[[pathlib.Path], None]
) -> pathlib.Path:
  """Makes a folder unless another worker or an earlier run has made it.

  Args:
    folder: Its name states all that its contents depend on.
    make: Given the path of a folder to make.
  """
  with locked(folder):
    if not folder.exists():
      # An interrupted run leaves nothing under the final name.
      with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        made = pathlib.Path(temporary, 'made')
        make(made)
        made.rename(folder)
  return folder
