"""Hugging Face folders: config.json and *.safetensors, read lazily."""

import json
import pathlib
import shutil
from typing import Any

# Registers bfloat16 with NumPy, by whose name safetensors asks for it.
import ml_dtypes  # noqa: F401
import numpy as np

from flan_jax.interop.model_source import Index, InteropError
from flan_jax.vocabulary.base import SENTENCEPIECE_MODEL, TOKENIZER_JSON
from flan_jax.vocabulary.hugging_face import TOKENIZER_CONFIG

INDEX = 'model.safetensors.index.json'

# What makes up a tokenizer, where it is there.
TOKENIZER_FILES = (
  TOKENIZER_JSON,
  SENTENCEPIECE_MODEL,
  TOKENIZER_CONFIG,
  'special_tokens_map.json',
  'added_tokens.json',
  'chat_template.jinja',
)


class SafetensorsFolder:
  """A model as `transformers` saves it; see `source.Source`."""

  def __init__(self, path: pathlib.Path):
    """Reads the headers.

    Raises:
      InteropError: there are no weights, or not all that the index lists.
    """
    self.path = path
    self.config: dict[str, Any] = json.loads(
      (path / 'config.json').read_text(encoding='utf-8')
    )
    self._files: dict[str, pathlib.Path] = {}
    self.shapes: dict[str, tuple[int, ...]] = {}
    for file in _weight_files(path):
      self._add(file)

  def _add(self, path: pathlib.Path) -> None:
    with _open(path) as file:
      for name in file.keys():
        if name in self._files:
          raise InteropError(f'{self.path}: two files hold {name}')
        self._files[name] = path
        self.shapes[name] = tuple(file.get_slice(name).get_shape())

  def read(self, name: str, index: Index) -> np.ndarray:
    # Opened for each tensor: what was read stays in memory while it is mapped.
    with _open(self._files[name]) as file:
      return file.get_slice(name)[index]

  def write_tokenizer(self, folder: pathlib.Path) -> None:
    copy_tokenizer(self.path, folder)


def _open(path: pathlib.Path) -> Any:
  import safetensors

  return safetensors.safe_open(path, framework='numpy')


def copy_tokenizer(source: pathlib.Path, folder: pathlib.Path) -> None:
  """Copies a tokenizer's files from one Hugging Face folder to another.

  Raises:
    InteropError: there is none that we can read.
  """
  names = [name for name in TOKENIZER_FILES if (source / name).is_file()]
  if not {TOKENIZER_JSON, SENTENCEPIECE_MODEL} & set(names):
    raise InteropError(
      f'{source} has neither {TOKENIZER_JSON} nor {SENTENCEPIECE_MODEL}; '
      'save_pretrained of transformers\' "fast" tokenizer writes the former'
    )
  for name in names:
    shutil.copyfile(source / name, folder / name)


def _weight_files(folder: pathlib.Path) -> list[pathlib.Path]:
  """The files that hold the weights, by the index where there is one."""
  if (folder / INDEX).is_file():
    index = json.loads((folder / INDEX).read_text(encoding='utf-8'))
    names = sorted(set(index['weight_map'].values()))
  else:
    names = sorted(file.name for file in folder.glob('*.safetensors'))
  missing = [name for name in names if not (folder / name).is_file()]
  if missing or not names:
    listed = ', '.join(missing) or '*.safetensors'
    raise InteropError(f'{folder} lacks {listed}')
  return [folder / name for name in names]
