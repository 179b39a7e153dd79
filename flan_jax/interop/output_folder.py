"""The folder that an import or export writes."""

import os
import pathlib

from flan_jax.interop.model_source import InteropError
from flan_jax.runtime.paths import user_path


def check_output(path: str | os.PathLike) -> pathlib.Path:
  """Returns the local path of a folder that is empty or does not exist.

  Raises:
    InteropError: it has files, or is not local.
  """
  if '://' in str(path):
    raise InteropError(f'{path} is not local: write to a local folder, copy it')
  folder = pathlib.Path(user_path(path))
  if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
    raise InteropError(f'{folder} is not an empty folder: choose another --out')
  return folder
