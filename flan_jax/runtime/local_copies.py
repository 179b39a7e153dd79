"""Local copies of what is in a bucket, for code that reads local files only."""

from collections.abc import Iterator, Sequence
import hashlib
import os
import pathlib

from etils import epath

from flan_jax.runtime.paths import is_local, user_path


def copies_folder() -> epath.Path:
  """Returns the folder of copies: FLAN_JAX_LOCAL_CACHE, or in `~/.cache`."""
  return user_path(
    os.environ.get('FLAN_JAX_LOCAL_CACHE', '~/.cache/flan_jax/copies')
  )


def local_copy(
  folder: epath.Path, names: Sequence[str], version: str = ''
) -> epath.Path:
  """Returns a local copy of a remote folder.

  Args:
    folder: The folder.
    names: Its files, in the order in which they are copied.
    version: Names the contents, so that a file is copied once for each.
  """
  key = hashlib.sha256(f'{folder}\n{version}'.encode()).hexdigest()[:12]
  target = copies_folder() / f'{folder.name}-{key}'
  for name in names:
    local = target / name
    if local.exists():
      continue
    local.parent.mkdir(parents=True, exist_ok=True)
    temporary = local.parent / f'.{local.name}.{os.getpid()}.writing'
    (folder / name).copy(temporary, overwrite=True)
    os.replace(temporary, local)
  return target


def local_path(
  path: str | os.PathLike, names: Sequence[str] | None = None
) -> pathlib.Path:
  """Returns a user's path, or the path of a local copy if it is in a bucket.

  A path that does not exist is returned too, for the caller to report.

  Args:
    path: A file or a folder.
    names: Which files of a folder to copy, if they exist; None for all, in
      subfolders too.
  """
  found = user_path(path)
  if is_local(found):
    return pathlib.Path(found)
  whole = found.is_dir()
  folder = found if whole else found.parent
  if not whole:
    files = [found]
  elif names is None:
    files = sorted(_files(found))
  else:
    files = [found / name for name in names]
  files = [file for file in files if file.exists()]
  stats = [(file, file.stat()) for file in files]
  version = '\n'.join(f'{file} {s.length} {s.mtime}' for file, s in stats)
  copied = [str(file.relative_to(folder)) for file in files]
  copy = pathlib.Path(local_copy(folder, copied, version))
  return copy if whole else copy / found.name


def _files(folder: epath.Path) -> Iterator[epath.Path]:
  for path in folder.iterdir():
    if path.is_dir():
      yield from _files(path)
    else:
      yield path
