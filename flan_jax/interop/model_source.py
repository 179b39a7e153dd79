"""Where a model comes from: a Hugging Face folder, a GGUF file, a package."""

from collections.abc import Mapping
import importlib.util
import pathlib
from typing import Any, Protocol

import numpy as np

from flan_jax.errors import UserError

Index = tuple[slice, ...]


class InteropError(UserError):
  """A model that cannot be taken over or handed on; says what is in the way."""


class Source(Protocol):
  """A model on disk, whatever its format, in the terms of Hugging Face.

  Attributes:
    path: The folder or file.
    config: What config.json says, or would say.
    shapes: Shape of each tensor, by the name that it has in a Hugging Face
      folder.
  """

  path: pathlib.Path
  config: Mapping[str, Any]
  shapes: Mapping[str, tuple[int, ...]]

  def read(self, name: str, index: Index) -> np.ndarray:
    """Reads the part of a tensor that is asked for, and no more than its rows.

    Args:
      name: A key of `shapes`.
      index: A slice without a step for each dimension.

    Returns:
      In the type that is stored; float32 where that is quantized.
    """

  def write_tokenizer(self, folder: pathlib.Path) -> None:
    """Writes what `load_vocabulary` and `transformers` read a tokenizer from.

    Raises:
      InteropError: there is none, or none that we can read.
    """


def open_source(spec: str) -> Source:
  """Opens a model.

  Args:
    spec: A folder with config.json and *.safetensors, a .gguf file, a folder
      with one, or the name of an installed package that carries a model.

  Raises:
    InteropError: there is nothing like that.
  """
  from flan_jax.interop.gguf_file import GgufFile
  from flan_jax.interop.safetensors_folder import SafetensorsFolder

  path = pathlib.Path(spec).expanduser()
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
      f'{path} is not a model: wanted config.json with *.safetensors, or one '
      f'.gguf file (found: {listed})'
    )
  return GgufFile(found[0])


def _package_folder(spec: str) -> pathlib.Path:
  """Finds an installed package without importing it."""
  name = spec.replace('-', '_')
  found = importlib.util.find_spec(name) if name.isidentifier() else None
  if found is None or not found.submodule_search_locations:
    raise InteropError(
      f'{spec} is neither a folder, a file nor an installed package'
    )
  return pathlib.Path(found.submodule_search_locations[0])
