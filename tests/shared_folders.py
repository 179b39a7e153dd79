"""Folders that the workers of a test run, and later runs, share."""

from collections.abc import Callable, Iterable
import fcntl
import hashlib
import os
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


def make_once(
  folder: pathlib.Path, make: Callable[[pathlib.Path], None]
) -> pathlib.Path:
  """Makes a folder unless another worker or an earlier run has made it.

  Args:
    folder: Its name states all that its contents depend on.
    make: Given the path of a folder to make.
  """
  folder.parent.mkdir(parents=True, exist_ok=True)
  with open(f'{folder}.lock', 'w') as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    if not folder.exists():
      # A run that is interrupted leaves nothing under the final name.
      with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        make(pathlib.Path(temporary, 'made'))
        os.rename(os.path.join(temporary, 'made'), folder)
  return folder
