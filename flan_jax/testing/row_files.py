"""Writes rows that the test datasets are imported from."""

from collections.abc import Iterable, Mapping
import json
import os
import pathlib
from typing import Any

from flan_jax.definitions.dataset import Dataset


def write_rows(
  folder: str | os.PathLike,
  dataset: Dataset,
  rows: Iterable[Mapping[str, Any]],
) -> None:
  """Writes NAME.jsonl and meta.json, for `flan-jax import-data`.

  Args:
    folder: Created if missing.
    dataset: A dataset of text fields and a label.
    rows: Rows with `_split`.
  """
  folder = pathlib.Path(folder)
  folder.mkdir(parents=True, exist_ok=True)
  lines = ''.join(json.dumps(row) + '\n' for row in rows)
  (folder / f'{dataset.name}.jsonl').write_text(lines, encoding='utf-8')
  features = dict.fromkeys(dataset.fields.values(), 'text')
  features[dataset.label] = list(dataset.choices)
  meta = {dataset.name: {'tfds': dataset.source, 'features': features}}
  (folder / 'meta.json').write_text(json.dumps(meta, indent=1))
