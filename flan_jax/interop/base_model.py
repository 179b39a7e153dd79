"""Base models that come as installed packages, imported when first used."""

import importlib.metadata
import os
import pathlib
import shutil

from flan_jax.errors import ConfigError
from flan_jax.runtime import child, processes

PREFIX = 'package:'

# Written last by the import.
_COMPLETE = 'model.gin'


def locate(spec: str | None, cache_dir: str | os.PathLike) -> str | None:
  """Returns where a checkpoint or vocabulary lies.

  `package:NAME` is a model in an installed package, which is imported into
  CACHE_DIR/imported once; everything else is returned as it is.

  Args:
    spec: As INITIAL_CHECKPOINT_PATH or VOCABULARY.
    cache_dir: As CACHE_DIR.

  Raises:
    ConfigError: the package is not installed, or holds no model that can be
      imported.
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
  folder = pathlib.Path(cache_dir).expanduser() / 'imported'
  folder = folder / f'{name}-{version}'
  processes.first_then_others(lambda: _import(name, folder))
  return str(folder)


def _import(name: str, folder: pathlib.Path) -> None:
  if (folder / _COMPLETE).exists():
    return
  # What a killed import left.
  shutil.rmtree(folder, ignore_errors=True)
  # In a process of its own: one of several that do a run together could not
  # write a checkpoint without the others.
  if not child.succeeds('import', [f'--from={name}', f'--out={folder}']):
    raise ConfigError(f'{PREFIX}{name} could not be imported, see above')
