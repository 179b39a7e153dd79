"""Pretrained models, imported on first use."""

import importlib.metadata
import os
import shutil

from flan_jax.definitions.digests import digest
from flan_jax.errors import ConfigError
from flan_jax.interop.model_gin import NAME
from flan_jax.runtime import child, processes
from flan_jax.runtime.paths import user_path

PREFIX = 'package:'


def locate(spec: str | None, cache_dir: str | os.PathLike) -> str | None:
  """Returns the path of a checkpoint or vocabulary.

  `package:NAME` names the model in an installed package. It is imported into
  CACHE_DIR/imported on first use. Any other value is returned unchanged.

  Args:
    spec: INITIAL_CHECKPOINT_PATH or VOCABULARY.
    cache_dir: CACHE_DIR.

  Raises:
    ConfigError: the package is not installed, or its model cannot be imported.
  """
  if spec is None or not spec.startswith(PREFIX):
    return spec
  name = spec.removeprefix(PREFIX)
  try:
    version = importlib.metadata.version(name)
  except importlib.metadata.PackageNotFoundError:
    raise ConfigError(
      f'{spec}: the package {name} is not installed: pip install '
      f'{name.replace("_", "-")}'
    ) from None
  folder = user_path(cache_dir) / 'imported' / f'{name}-{version}'
  processes.first_then_others(lambda: _import(name, folder, spec))
  return str(folder)


def locate_any(spec: str, cache_dir: str | os.PathLike) -> str:
  """Returns the path of the checkpoint of any pretrained model.

  It is imported into CACHE_DIR/imported, again if a file has changed.

  Args:
    spec: A Hugging Face folder, a GGUF file, or `package:NAME`.
    cache_dir: CACHE_DIR.

  Raises:
    UserError: there is no model, or it cannot be imported.
  """
  if spec.startswith(PREFIX):
    return locate(spec, cache_dir)
  path = user_path(spec)
  if not path.exists():
    raise ConfigError(f'--model={spec}: there is no such file or folder')
  files = sorted(path.iterdir()) if path.is_dir() else [path]
  about = [
    [str(file), stat.length, stat.mtime]
    for file in files
    for stat in [file.stat()]
  ]
  name = f'{path.stem}-{digest(about)}'
  folder = user_path(cache_dir) / 'imported' / name
  processes.first_then_others(lambda: _import(str(path), folder, spec))
  return str(folder)


def _import(source: str, folder: os.PathLike, spec: str) -> None:
  # The import writes this file last.
  if (folder / NAME).exists():
    return
  # Left by an interrupted import.
  shutil.rmtree(folder, ignore_errors=True)
  # In a child, because one process of a multi-process run cannot write a
  # checkpoint without the others.
  if not child.succeeds('import', [f'--from={source}', f'--out={folder}']):
    raise ConfigError(f'{spec} could not be imported, see above')
