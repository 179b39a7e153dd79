"""The folder that an import or export writes."""

from collections.abc import Iterator, Mapping
import contextlib
import json
import os
import pathlib
import shutil
import socket
from typing import Any

import numpy as np

from flan_jax.interop.model_source import InteropError
from flan_jax.runtime.paths import user_path
from flan_jax.runtime.process_life import started

# Names the process that is writing the folder.
_UNFINISHED = '.unfinished'


def check_output(path: str | os.PathLike) -> pathlib.Path:
  """Returns the local path of a folder that is empty or does not exist.

  A folder that a killed process left unfinished counts as empty.

  Raises:
    InteropError: it has files, or is not local.
  """
  if not os.fspath(path):
    raise InteropError('--out is empty: name the folder to write')
  if '://' in str(path):
    raise InteropError(f'{path} is not local: write to a local folder, copy it')
  folder = pathlib.Path(user_path(path))
  if not folder.exists() or _is_left_over(folder):
    return folder
  if not folder.is_dir() or any(folder.iterdir()):
    raise InteropError(f'{folder} is not an empty folder: choose another --out')
  return folder


@contextlib.contextmanager
def new_output(path: str | os.PathLike) -> Iterator[pathlib.Path]:
  """Yields a new folder to write; if that fails, it leaves nothing behind.

  Raises:
    InteropError: as `check_output`, or the folder cannot be made.
  """
  folder = check_output(path)
  missing = [p for p in (folder, *folder.parents) if not p.exists()]
  try:
    folder.mkdir(parents=True, exist_ok=True)
    _clear(folder)
    (folder / _UNFINISHED).write_text(_process(), encoding='utf-8')
  except OSError as error:
    raise InteropError(
      f'{folder} cannot be written: {error.strerror}; choose another --out'
    ) from error
  try:
    yield folder
  except BaseException:
    _clear(folder)
    for made in missing:
      # Another process may have put something there.
      with contextlib.suppress(OSError):
        made.rmdir()
    raise
  (folder / _UNFINISHED).unlink()


def _clear(folder: pathlib.Path) -> None:
  for path in folder.iterdir():
    if path.is_dir() and not path.is_symlink():
      shutil.rmtree(path, ignore_errors=True)
    else:
      path.unlink(missing_ok=True)


def _process() -> str:
  return f'{socket.gethostname()} {os.getpid()}'


def _is_left_over(folder: pathlib.Path) -> bool:
  """Returns whether a process of this machine died while writing a folder."""
  try:
    host, process = (folder / _UNFINISHED).read_text('utf-8').split()
    return host == socket.gethostname() and started(int(process)) is None
  except (OSError, ValueError):
    return False


def write_json(path: pathlib.Path, content: Mapping[str, Any]) -> None:
  """Writes JSON as `transformers` does."""
  text = json.dumps(content, indent=2, ensure_ascii=False)
  path.write_text(text + '\n', encoding='utf-8')


def write_tensors(
  path: pathlib.Path, tensors: Mapping[str, np.ndarray]
) -> None:
  """Writes a .safetensors file, readable by whom the umask says."""
  from safetensors import numpy as safetensors_numpy

  path.touch()
  mode = path.stat().st_mode
  # transformers requires the format.
  safetensors_numpy.save_file(dict(tensors), path, {'format': 'pt'})
  # The library renames a temporary file, which only its owner may read.
  path.chmod(mode)
