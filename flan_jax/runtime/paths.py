"""Paths that a user gives: local ones, or `gs://…`."""

from collections.abc import Iterator
import contextlib
import functools
import importlib.util
import io
import os
import re
import shutil
import tempfile
from typing import BinaryIO, TextIO

from etils import epath

from flan_jax.errors import ConfigError, UserError

BUCKETS = 'gs://'
_SCHEME = re.compile(r'[A-Za-z][A-Za-z0-9+.-]*://')
# What file systems take, in bytes: a name, and a path.
_LONGEST_NAME, _LONGEST_PATH = 255, 4095


def user_path(path: str | os.PathLike) -> epath.Path:
  """Returns a path with `~` expanded; `gs://…` stays as it is.

  Every path that a user gives goes through this function.

  >>> user_path('gs://bucket/run')
  PosixGPath('gs://bucket/run')

  Raises:
    ConfigError: The path is of another scheme, names no bucket, or is in a
      bucket while the package that reads buckets is not installed.
    UserError: No file can have this path.
  """
  text = os.fspath(path)
  if text.startswith(BUCKETS):
    if text[len(BUCKETS) :][:1] in ('', '/'):
      raise ConfigError(f'{text} names no bucket: write gs://BUCKET/FOLDER')
    _prepare_buckets()
  elif scheme := _SCHEME.match(text):
    raise ConfigError(
      f'{text} starts with {scheme[0]}: only local paths and gs://BUCKET/… can '
      'be read and written'
    )
  if problem := name_problem(text):
    raise UserError(f'the path {text[:80]!r} {problem}')
  return epath.Path(path).expanduser()


def name_problem(path: str) -> str | None:
  """Returns why no file can have a path; None if one can."""
  if '\0' in path:
    return 'has a NUL character: remove it'
  longest = max(len(os.fsencode(name)) for name in path.split('/'))
  if longest > _LONGEST_NAME or len(os.fsencode(path)) > _LONGEST_PATH:
    return (
      f'is too long: a path has at most {_LONGEST_PATH} bytes, and a name in '
      f'it {_LONGEST_NAME}'
    )
  return None


@functools.cache
def _prepare_buckets() -> None:
  """Chooses how epath reaches buckets, for this process and its children.

  Raises:
    ConfigError: gcsfs is not installed.
  """
  if importlib.util.find_spec('gcsfs') is None:
    raise ConfigError(
      "gs://… paths need a package: pip install 'flan_jax[gcp]'"
    )
  import fsspec

  # Otherwise epath takes TensorFlow where that is installed: training would
  # load it, and hosts with and without it would see different errors.
  os.environ['EPATH_USE_TF'] = '0'
  # A kept listing would hide what other processes write meanwhile.
  for name in ('gs', 'gcs'):
    settings = fsspec.config.conf.setdefault(name, {})
    settings.setdefault('use_listings_cache', False)


def is_local(path: str | os.PathLike) -> bool:
  """Returns whether a path is on a local disk, not in a bucket."""
  return '://' not in os.fspath(path)


def write_whole(path: epath.Path, text: str) -> None:
  """Writes a file in UTF-8 so that readers see all of it or the old one."""
  write_whole_bytes(path, text.encode())


def write_whole_bytes(path: epath.Path, data: bytes) -> None:
  """Writes a file so that readers see all of it or the old one."""
  if not is_local(path):
    # An object appears when all of it is there. Renaming would copy it.
    path.write_bytes(data)
    return
  temporary = _temporary(path)
  temporary.write_bytes(data)
  temporary.replace(path)


@contextlib.contextmanager
def writing_whole(path: epath.Path) -> Iterator[BinaryIO]:
  """Yields a stream; readers see all that is written, or the old file.

  If the context ends with an error, nothing is left.
  """
  if not is_local(path):
    with tempfile.TemporaryFile() as stream:
      yield stream
      stream.seek(0)
      with path.open('wb') as file:
        shutil.copyfileobj(stream, file)
    return
  temporary = _temporary(path)
  try:
    with temporary.open('wb') as stream:
      yield stream
    temporary.replace(path)
  finally:
    temporary.unlink(missing_ok=True)


def _temporary(path: epath.Path) -> epath.Path:
  return path.with_name(f'.{path.name}.{os.getpid()}.writing')


@contextlib.contextmanager
def appending(path: epath.Path) -> Iterator[TextIO]:
  """Opens a file in UTF-8 to add to its end.

  Buckets cannot append. There, the whole file is written again at the end.
  """
  if is_local(path):
    with path.open('a', encoding='utf-8') as file:
      yield file
    return
  added = io.StringIO()
  try:
    yield added
  finally:
    text = path.read_text(encoding='utf-8') if path.exists() else ''
    write_whole(path, text + added.getvalue())
