"""A model in a Hugging Face folder: config.json and *.safetensors."""

import pathlib
import re
import shutil
from typing import Any

# Registers bfloat16 with NumPy, for safetensors.
import ml_dtypes  # noqa: F401
import numpy as np
import safetensors

from flan_jax.interop.config_types import check_types
from flan_jax.interop.families import find_family
from flan_jax.interop.model_source import Index, InteropError
from flan_jax.interop.output_folder import write_json
from flan_jax.runtime.json_text import read_object, shown
from flan_jax.vocabulary.base import SENTENCEPIECE_MODEL, TOKENIZER_JSON
from flan_jax.vocabulary.hugging_face import (
  GENERATION_CONFIG,
  TOKENIZER_CONFIG,
  stated_ends,
)

INDEX = 'model.safetensors.index.json'

_FILE_NAME = re.compile(r'[\w-][\w.-]*\.safetensors')
# Ends of the names of files that PyTorch writes.
_PICKLED = ('.bin', '.pt', '.pth')
_DTYPES = ('F64', 'F32', 'F16', 'BF16')

# The files of a tokenizer, as far as they exist.
TOKENIZER_FILES = (
  TOKENIZER_JSON,
  SENTENCEPIECE_MODEL,
  TOKENIZER_CONFIG,
  'special_tokens_map.json',
  'added_tokens.json',
  'chat_template.jinja',
)


class SafetensorsFolder:
  """A model as `transformers` saves it; see `Source`."""

  def __init__(self, path: pathlib.Path):
    """Reads the headers.

    Raises:
      InteropError: models of this type are not supported, weights are missing,
        or a file is damaged.
    """
    self.path = path
    self.config = read_object(path / 'config.json', InteropError)
    check_types(self.config, str(path / 'config.json'))
    # First of all: nobody shall convert weights that are of no use.
    ignored = find_family(self.config).ignored
    self._files: dict[str, pathlib.Path] = {}
    self.shapes: dict[str, tuple[int, ...]] = {}
    for file in _weight_files(path):
      shapes = _read_shapes(file, ignored)
      for name in shapes.keys() & self.shapes.keys():
        raise InteropError(f'{path}: two files contain {name}')
      self.shapes |= shapes
      self._files |= dict.fromkeys(shapes, file)

  def read(self, name: str, index: Index) -> np.ndarray:
    # Opened for each tensor, because a mapped file keeps what was read in
    # memory.
    with _open(self._files[name]) as file:
      return file.get_slice(name)[index]

  def write_tokenizer(self, folder: pathlib.Path) -> None:
    copy_tokenizer(self.path, folder)
    # As transformers, which reads the first of them that states it.
    for name in (GENERATION_CONFIG, 'config.json'):
      path = self.path / name
      config = read_object(path, InteropError) if path.is_file() else {}
      if ends := stated_ends(config, str(path)):
        write_json(folder / GENERATION_CONFIG, {'eos_token_id': ends})
        break


def _open(path: pathlib.Path) -> Any:
  return safetensors.safe_open(path, framework='numpy')


def _read_shapes(
  path: pathlib.Path, ignored: str
) -> dict[str, tuple[int, ...]]:
  """Returns the shapes of a file's tensors; the library checks its header."""
  try:
    with _open(path) as opened:
      names = [n for n in opened.keys() if not re.fullmatch(ignored, n)]
      slices = {name: opened.get_slice(name) for name in names}
      shapes = {k: tuple(found.get_shape()) for k, found in slices.items()}
      dtypes = {k: found.get_dtype() for k, found in slices.items()}
  except (safetensors.SafetensorError, OSError) as error:
    raise InteropError(
      f'{path} is damaged: {error}; get the file again'
    ) from error
  for name, dtype in dtypes.items():
    if dtype not in _DTYPES:
      raise InteropError(
        f'{path}: {shown(name, 80)} has the type {dtype}; save the model in '
        f'one of {", ".join(_DTYPES)}'
      )
  return shapes


def copy_tokenizer(source: pathlib.Path, folder: pathlib.Path) -> None:
  """Copies the tokenizer of a Hugging Face folder.

  Raises:
    InteropError: the folder has no tokenizer that can be read.
  """
  names = [name for name in TOKENIZER_FILES if (source / name).is_file()]
  if not {TOKENIZER_JSON, SENTENCEPIECE_MODEL} & set(names):
    raise InteropError(
      f'{source} has neither {TOKENIZER_JSON} nor {SENTENCEPIECE_MODEL}; write '
      f'{TOKENIZER_JSON} with save_pretrained of a "fast" tokenizer'
    )
  for name in names:
    shutil.copyfile(source / name, folder / name)


def _weight_files(folder: pathlib.Path) -> list[pathlib.Path]:
  """Returns the files of the weights, listed by the index if there is one."""
  if (folder / INDEX).is_file():
    names = _indexed(folder / INDEX)
  else:
    names = sorted(file.name for file in folder.glob('*.safetensors'))
  pickled = sorted(f.name for f in folder.iterdir() if f.suffix in _PICKLED)
  if not names and pickled:
    raise InteropError(
      f'{folder} has its weights as {shown(pickled[0], 80)}, a format that can '
      'run code when it is read. If you trust it, convert it: python -c "from '
      'transformers import AutoModelForCausalLM as M; '
      f"M.from_pretrained('.').save_pretrained('.')\" in that folder"
    )
  missing = [name for name in names if not (folder / name).is_file()]
  if missing or not names:
    listed = ', '.join(missing) or '*.safetensors'
    raise InteropError(f'{folder} lacks {listed}')
  return [folder / name for name in names]


def _indexed(path: pathlib.Path) -> list[str]:
  """Returns the names of files that an index lists, all in its folder."""
  listed = read_object(path, InteropError).get('weight_map')
  if not isinstance(listed, dict):
    raise InteropError(
      f'{path}: weight_map must be an object, tensor -> file: get the file '
      'again'
    )
  for name in listed.values():
    if not isinstance(name, str) or not _FILE_NAME.fullmatch(name):
      raise InteropError(
        f'{path} names the file {shown(name)}; it must name *.safetensors '
        'files of its own folder'
      )
  return sorted(set(listed.values()))
