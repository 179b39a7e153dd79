"""Paths that a user gives: local ones, or `gs://…`."""

import os

from etils import epath


def user_path(path: str | os.PathLike) -> epath.Path:
  """Returns a path with `~` expanded; `gs://…` stays as it is.

  Every path that a user gives goes through this function.

  >>> user_path('gs://bucket/run')
  PosixGPath('gs://bucket/run')
  """
  return epath.Path(path).expanduser()


def is_local(path: str | os.PathLike) -> bool:
  """Returns whether a path is on a local disk, not in a bucket."""
  return '://' not in os.fspath(path)


def write_whole(path: epath.Path, text: str) -> None:
  """Writes a file in UTF-8 so that readers see all of it or the old one."""
  temporary = path.with_name(f'.{path.name}.{os.getpid()}.writing')
  temporary.write_text(text, encoding='utf-8')
  temporary.replace(path)
