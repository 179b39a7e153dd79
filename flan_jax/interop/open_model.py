"""Opens a model in a Hugging Face folder, a GGUF file or a package."""

import importlib.util
import pathlib

from flan_jax.interop.gguf_file import GgufFile
from flan_jax.interop.model_source import InteropError, Source
from flan_jax.interop.safetensors_folder import SafetensorsFolder
from flan_jax.runtime.local_copies import local_path


def open_source(spec: str) -> Source:
  """Opens a model.

  Args:
    spec: A folder with config.json and safetensors files, a .gguf file, a
      folder with one .gguf file, or the name of an installed package that
      contains one of these.

  Raises:
    InteropError: there is no model, or it cannot be read.
  """
  path = local_path(spec)
  if not path.exists():
    path = _package_folder(spec)
  if path.is_file() and path.suffix == '.gguf':
    return GgufFile(path)
  if (path / 'config.json').is_file():
    return SafetensorsFolder(path)
  found = sorted(path.glob('*.gguf')) if path.is_dir() else []
  if len(found) != 1:
    listed = ', '.join(file.name for file in found) or 'none'
    raise InteropError(
      f'{path} is not a model: it needs config.json with *.safetensors, or '
      f'exactly one .gguf file (found {listed})'
    )
  return GgufFile(found[0])


def _package_folder(spec: str) -> pathlib.Path:
  """Finds an installed package without importing it."""
  name = spec.replace('-', '_')
  found = importlib.util.find_spec(name) if name.isidentifier() else None
  if found is None or not found.submodule_search_locations:
    raise InteropError(
      f'{spec} is not a folder, a file or an installed package'
    )
  return pathlib.Path(found.submodule_search_locations[0])
