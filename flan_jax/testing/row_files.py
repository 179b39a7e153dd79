"""Writes rows for the import of test datasets."""

from collections.abc import Iterable, Mapping
import json
import os
import pathlib
from typing import Any


def write_rows(
  folder: str | os.PathLike,
  name: str,
  features: Mapping[str, Any],
  rows: Iterable[Mapping[str, Any]],
) -> None:
  """Writes NAME.jsonl and meta.json, for `flan-jax import-data`.

  Args:
    folder: Made if missing.
    name: Name of the dataset, at version 1.0.0.
    features: As `flan_jax.sources.tfds_import` documents them.
    rows: With `_split`.
  """
  folder = pathlib.Path(folder)
  folder.mkdir(parents=True, exist_ok=True)
  lines = ''.join(json.dumps(row) + '\n' for row in rows)
  (folder / f'{name}.jsonl').write_text(lines, encoding='utf-8')
  meta = {name: {'tfds': f'{name}:1.0.0', 'features': dict(features)}}
  (folder / 'meta.json').write_text(json.dumps(meta, indent=1))
