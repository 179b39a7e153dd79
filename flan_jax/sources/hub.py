"""Downloads rows from the Hugging Face hub; only `prepare` calls this.

With `hf:` sources, the rows stay in the hub's columns, as Parquet below the
data directory. Datasets of TFDS with a `HubCopy` get TFDS's features.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
import json
import os
import pathlib
import tempfile
from typing import Any

from flan_jax.definitions.dataset import Dataset
from flan_jax.definitions.hub_copy import HubCopy, rows_needed
from flan_jax.sources.data_dir import data_root
from flan_jax.sources.download import DownloadError, short_reason
from flan_jax.sources.table_files import hub_folder, hub_name
from flan_jax.sources.tfds_import import import_rows

# The hub converts datasets that were made by a script, which is never run here.
_CONVERTED = 'refs/convert/parquet'
_SEED = 0


def download_table(source: str, data_dir: str | None) -> None:
  """Downloads what an `hf:` source names.

  Args:
    source: Such as `hf:nyu-mll/glue/rte`.
    data_dir: TFDS data directory; None for TFDS's own default.

  Raises:
    DownloadError: The hub does not give it; gives the reason in short.
  """
  name = hub_name(source)
  owner, dataset, *config = name.split('/')
  found = _load(f'{owner}/{dataset}', config[0] if config else None)
  target = pathlib.Path(hub_folder(name, data_dir))
  target.parent.mkdir(parents=True, exist_ok=True)
  # Placed when complete, so that an interruption is not mistaken for it.
  with tempfile.TemporaryDirectory(dir=target.parent) as folder:
    made = pathlib.Path(folder, 'rows')
    made.mkdir()
    for split, rows in found.items():
      rows.to_parquet(made / f'{split}.parquet')
    os.rename(made, target)


def download_copy(
  copy: HubCopy,
  parts: Sequence[Dataset],
  data_dir: str | None,
  log: Callable[[str], Any],
) -> None:
  """Downloads the copy of a TFDS dataset, and writes it as TFDS does.

  Of a split with more rows than its slices read, as many are drawn at random,
  always the same ones.

  Args:
    copy: Where it is.
    parts: The resolved parts that read the dataset.
    data_dir: TFDS data directory; None for TFDS's own default.
    log: Called with one line for each decision made for the user.

  Raises:
    DownloadError: The hub does not give it; gives the reason in short.
    ImportRowsError: A row does not have TFDS's features.
  """
  slices: dict[str, list[str]] = {}
  for part in parts:
    for spec in part.splits.values():
      slices.setdefault(spec.partition('[')[0], []).append(spec)
  found = _load(copy.name, copy.config)
  target = data_root(data_dir)
  target.mkdir(parents=True, exist_ok=True)
  with tempfile.TemporaryDirectory(prefix='.hub_', dir=target) as folder:
    path = pathlib.Path(folder, f'{parts[0].name}.jsonl')
    with path.open('w', encoding='utf-8') as file:
      for split, specs in slices.items():
        for row in _tfds_rows(copy, found, split, specs, log):
          line = json.dumps({**row, '_split': split}, default=str)
          file.write(line + '\n')
    import_rows(path, target, builder=parts[0].source, log=lambda line: None)


def _tfds_rows(
  copy: HubCopy,
  found: Mapping[str, Any],
  split: str,
  slices: Sequence[str],
  log: Callable[[str], Any],
) -> Iterator[dict[str, Any]]:
  """Yields the rows of a TFDS split, as many as its slices read."""
  name = copy.splits.get(split, split)
  if name not in found:
    raise DownloadError(
      f'{copy.name} has the splits {list(found)}, but not {name}'
    )
  rows, needed = found[name], rows_needed(slices)
  if copy.expand is None and needed and needed < len(rows):
    log(f'{copy.name}: {needed:,} of {len(rows):,} rows of {name}')
    rows = rows.shuffle(seed=_SEED).select(range(needed))
  for row in _with_class_names(rows):
    yield from copy.rows(row)


def _load(name: str, config: str | None) -> Mapping[str, Any]:
  """Returns split -> rows of a dataset of the hub."""
  try:
    import datasets
  except ModuleNotFoundError as error:
    raise DownloadError(
      'the `datasets` library is needed: pip install flan_jax[hf]'
    ) from error
  try:
    try:
      return datasets.load_dataset(name, config)
    except RuntimeError as error:
      if 'scripts are no longer supported' not in str(error):
        raise
      return datasets.load_dataset(name, config, revision=_CONVERTED)
  except Exception as error:  # The library and the hub raise anything.
    raise DownloadError(
      short_reason(f'{name}: {type(error).__name__}: {error}')
    ) from error


def _with_class_names(rows: Any) -> Iterator[dict[str, Any]]:
  """Yields rows with names of classes instead of their numbers."""
  named = {}
  for column, feature in rows.features.items():
    inner = getattr(feature, 'feature', feature)  # Of a list.
    if getattr(inner, 'names', None):
      named[column] = inner.names
  for row in rows:
    yield {
      **row,
      **{column: _named(row[column], found) for column, found in named.items()},
    }


def _named(value: Any, names: Sequence[str]) -> Any:
  if isinstance(value, list):
    return [_named(item, names) for item in value]
  # Hidden labels are -1.
  return -1 if value is None or value < 0 else names[value]
