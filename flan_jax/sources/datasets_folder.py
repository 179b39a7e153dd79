"""Reads a local folder with the `datasets` library, without a network."""

import json
import re
from typing import Any

from etils import epath

from flan_jax.sources.table_files import SPLIT_WORDS, TableError

# Files of a folder that may say where its rows are.
_CARDS = ('README.md', '.huggingface.yaml')
_HEAD = re.compile(r'---\s*\n(.*?)\n---', re.DOTALL)
# What `save_to_disk` writes, for several splits and for one.
_SAVED = ('dataset_dict.json', 'state.json')


def read_folder(folder: epath.Path) -> list[tuple[str, Any]]:
  """Returns (split, `pyarrow.Table`) of a folder, with class names as metadata.

  Raises:
    TableError: The folder cannot be read, or names files elsewhere.
  """
  try:
    import datasets
  except ModuleNotFoundError as error:
    raise TableError(
      f'hf:{folder} needs the `datasets` library: pip install flan_jax[hf]'
    ) from error
  saved = any((folder / name).exists() for name in _SAVED)
  if not saved:
    _check_places(folder)
  read = datasets.load_from_disk if saved else datasets.load_dataset
  try:
    found = read(str(folder))
  except Exception as error:  # The library and its readers raise anything.
    reason = ' '.join(str(error).split())
    raise TableError(
      f'hf:{folder}: {type(error).__name__}: {reason}'
    ) from error
  if not isinstance(found, dict):
    found = {'train': found}
  return [
    (SPLIT_WORDS.get(split, split), _with_classes(rows))
    for split, rows in found.items()
  ]


def _check_places(folder: epath.Path) -> None:
  """Refuses a folder whose card would have the library open other places."""
  import yaml

  for name in _CARDS:
    path = folder / name
    if not path.exists():
      continue
    text = path.read_text()
    if path.suffix == '.md':
      head = _HEAD.match(text)
      text = head[1] if head else ''
    try:
      card = yaml.safe_load(text)
    except yaml.YAMLError as error:
      reason = ' '.join(str(error).split())
      raise TableError(f'{path} does not begin with YAML: {reason}') from error
    places = card.get('configs') if isinstance(card, dict) else None
    if '://' in json.dumps(places, default=str):
      raise TableError(
        f'{path} names files outside of the folder: download them, and correct '
        'it or remove it'
      )


def _with_classes(rows: Any) -> Any:
  """Returns rows of the `datasets` library as a table with class names."""
  table = rows.with_format('arrow')[:]
  return table.replace_schema_metadata(rows.features.arrow_schema.metadata)
