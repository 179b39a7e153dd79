"""The folder that an import or export writes."""

from collections.abc import Mapping
import json
import os
import pathlib
from typing import Any

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


def write_json(path: pathlib.Path, content: Mapping[str, Any]) -> None:
  """Writes JSON as `transformers` does."""
  text = json.dumps(content, indent=2, ensure_ascii=False)
  path.write_text(text + '\n', encoding='utf-8')
