"""Turns JSON Lines into a TFDS directory that reads like a downloaded one.

A folder has `*.jsonl` files and a `meta.json` that describes them:

  {"rte": {"tfds": "super_glue/rte:1.0.2"},
   "mnli_matched": {"tfds": "glue/mnli:2.0.0"},
   "mnli_mismatched": {"tfds": "glue/mnli:2.0.0"},
   "mine": {"tfds": "my_lab_reviews:1.0.0",
            "features": {"text": "text", "label": ["neg", "pos"]},
            "drop": ["url"]}}

A row has the fields of the TFDS dataset (a class as a number or a name, a
sequence of objects also as an object of lists) and `_split`. `features` is for
datasets that TFDS has no builder for, in the grammar of `features`. `drop`
names fields that the dataset lacks. Other keys of an entry are ignored.

Nothing is downloaded, and nothing in the target changes unless every row of
every file is right.
"""

from collections.abc import Mapping, Sequence
import contextlib
import dataclasses
import io
import json
import os
import pathlib
import re
import tempfile
from typing import Any

import flan_jax
from flan_jax.errors import nearest
from flan_jax.runtime import json_text
from flan_jax.runtime.paths import is_local, user_path
from flan_jax.runtime.tensorflow_start import quiet_start
from flan_jax.sources import json_rows
from flan_jax.sources.features import (
  GRAMMAR,
  FieldError,
  parse_features,
)
from flan_jax.sources.json_rows import (
  META_FILE,
  ImportRowsError,
  Log,
  Rows,
  SourceFile,
)
from flan_jax.terminal.bar import Bar

RECORD_FILE = 'flan_jax_import.json'

# A name as `tfds` of `meta.json` gives it. No config leads out of a folder.
_TFDS_NAME = re.compile(
  r'(?P<hub>\w+:(?=[A-Za-z_]))?(?P<name>\w{1,100})'
  r'(/(?P<config>\w[\w.+-]{0,99}))?'
  r'(:(?P<version>(?:0|[1-9]\d{0,8})(?:\.(?:0|[1-9]\d{0,8})){2}))?',
  re.ASCII,
)
# What a dataset keeps of the builder that describes it.
_DESCRIBED = ('description', 'citation', 'homepage', 'disable_shuffling')


@dataclasses.dataclass(frozen=True)
class Imported:
  """One imported dataset.

  Attributes:
    builder: TFDS name with config and version, as written.
    files: Names of the files that the rows came from.
    rows: Rows by split, without duplicates.
    duplicates: Rows left out because an earlier file has them too.
    status: 'new', 'replaced' (an import of other rows) or 'up to date'.
    path: The folder of the version.
  """

  builder: str
  files: list[str]
  rows: dict[str, int]
  duplicates: int
  status: str
  path: pathlib.Path


@dataclasses.dataclass(frozen=True)
class _Dataset:
  """A dataset to write.

  Attributes:
    name, config, version: Its TFDS name.
    features: Of TFDS's builder, or those that `meta.json` states.
    about: What its builder tells of it; None if `meta.json` describes it.
  """

  name: str
  config: str | None
  version: str
  features: Any
  about: Mapping[str, Any] | None

  @property
  def full_name(self) -> str:
    config = f'/{self.config}' if self.config else ''
    return f'{self.name}{config}:{self.version}'

  @property
  def folder(self) -> pathlib.Path:
    return pathlib.Path(self.name, self.config or '', self.version)


def mini_corpus() -> pathlib.Path:
  """Returns the folder of the small corpus that ships with the package."""
  return pathlib.Path(flan_jax.__file__).parent / 'mini'


def import_rows(
  input_dir: str | os.PathLike,
  data_dir: str | os.PathLike,
  builder: str | None = None,
  log: Log = print,
) -> list[Imported]:
  """Writes JSON Lines as TFDS datasets; see the module for their form.

  Files of one builder become one dataset, their rows merged by split; a row
  that several files have is kept once. A version that TFDS no longer supports
  becomes the installed one. An earlier import of the same rows is kept as it
  is, one of other rows is replaced.

  Args:
    input_dir: A folder with `meta.json`, or one file of it.
    data_dir: TFDS data directory, created if missing.
    builder: TFDS name of a single file, instead of `meta.json`.
    log: Called with one line for each decision made for the user.

  Returns:
    The datasets, in order of their names.

  Raises:
    ImportRowsError: a file, a row or a name is wrong, or the place is taken
      by a dataset that was not imported. Nothing in `data_dir` has changed.
  """
  if not is_local(data_dir):
    raise ImportRowsError(
      f'{data_dir} is not a local folder; import to one and copy it there'
    )
  files = json_rows.find_files(user_path(input_dir), builder, log)
  data_dir = pathlib.Path(user_path(data_dir)).resolve()
  data_dir.mkdir(parents=True, exist_ok=True)
  # In the target's file system, so that a dataset is placed by a rename.
  with (
    tempfile.TemporaryDirectory(prefix='.import_', dir=data_dir) as folder,
    Bar('importing', unit='dataset') as bar,
  ):
    temporary, done = pathlib.Path(folder), []
    groups = _group(files, log)
    bar.total = len(groups)
    for dataset, group in groups:
      done.append((dataset, _import(dataset, group, data_dir, temporary, log)))
      bar.update()
    for dataset, imported in done:
      if imported.status != 'up to date':
        _place(dataset, data_dir, temporary)
  return [imported for _, imported in done]


def _group(
  files: Sequence[SourceFile], log: Log
) -> list[tuple[_Dataset, list[SourceFile]]]:
  """Returns each dataset and its files, in order of the datasets' names."""
  groups: dict[str, tuple[_Dataset, list[SourceFile]]] = {}
  for file in files:
    dataset = _find_dataset(file, log)
    _, group = groups.setdefault(dataset.full_name, (dataset, []))
    group.append(file)
    if file.features != group[0].features:
      raise ImportRowsError(
        f'{META_FILE}: {group[0].path.stem} and {file.path.stem} state '
        f'different "features" for {file.requested}'
      )
  return [groups[name] for name in sorted(groups)]


def _find_dataset(file: SourceFile, log: Log) -> _Dataset:
  """Returns the dataset of a file, in the version that TFDS writes."""
  import tensorflow_datasets as tfds

  where, requested = f'{META_FILE}: {file.path.stem}', file.requested
  match = _TFDS_NAME.fullmatch(requested)
  if match is None:
    raise ImportRowsError(
      f'{where}: {requested!r} is not a TFDS name; write NAME, NAME/CONFIG or '
      'NAME/CONFIG:1.0.0'
    )
  name, config, version = match.group('name', 'config', 'version')
  try:
    cls = tfds.builder_cls(name)
  except tfds.core.registered.DatasetNotFoundError:
    if file.features is None:
      known = tfds.list_builders(with_community_datasets=False)
      raise ImportRowsError(
        f'{where}: TFDS has no builder {name!r}{nearest(name, known)}; '
        f'state "features" for a dataset of your own: {GRAMMAR}'
      ) from None
    try:
      features = parse_features(file.features)
    except FieldError as error:
      raise ImportRowsError(f'{where}: features: {error}') from error
    return _Dataset(name, config, version or '1.0.0', features, None)
  if file.features is not None:
    raise ImportRowsError(
      f'{where}: TFDS has a builder {name} with fields of its own; remove '
      '"features", or choose another name'
    )
  if config is not None and config not in cls.builder_configs:
    raise ImportRowsError(
      f'{where}: {name} has no config {config!r}'
      f'{nearest(config, cls.builder_configs)}'
    )
  found = _described(cls, config)
  if match['hub']:
    log(f'{requested} needs a network: using {found.full_name}')
  if version not in (None, found.version):
    log(
      f'{requested}: TFDS {tfds.__version__} cannot write this version; using '
      f'{found.full_name}'
    )
  return found


def _described(cls, config: str | None) -> _Dataset:
  """Returns the dataset of TFDS's builder, in the version that it writes."""
  # An empty data directory, so that it describes itself and not some copy.
  with tempfile.TemporaryDirectory() as empty:
    builder = cls(data_dir=empty, config=config)
    info = builder.info
    return _Dataset(
      name=builder.name,
      config=builder.builder_config and builder.builder_config.name,
      version=str(builder.version),
      features=info.features,
      about={name: getattr(info, name) for name in _DESCRIBED},
    )


def _import(
  dataset: _Dataset,
  files: Sequence[SourceFile],
  data_dir: pathlib.Path,
  temporary: pathlib.Path,
  log: Log,
) -> Imported:
  """Checks the rows of a dataset and writes it to the temporary folder."""
  name, target = dataset.full_name, data_dir / dataset.folder
  old = _read_record(target)
  rows = json_rows.merge_rows(dataset.features, files, log)
  if rows.duplicates:
    log(f'{name}: {rows.duplicates} rows are in several files; kept once')
  counts = {split: len(found) for split, found in rows.splits.items()}
  names = [file.path.name for file in files]
  record = {
    'builder': name,
    'requested': sorted({file.requested for file in files}),
    'files': names,
    'features': files[0].features,
    'rows': counts,
    'duplicates': rows.duplicates,
    'sha256': rows.sha256,
    'flan_jax': flan_jax.__version__,
  }
  if old is None:
    status = 'new'
  elif all(old.get(x) == record[x] for x in ('builder', 'features', 'sha256')):
    status = 'up to date'
  else:
    status = 'replaced'
    earlier = ', '.join(old.get('files', ['other files']))
    log(f'{name}: replaces rows imported from {earlier}')
  if status != 'up to date':
    _write(dataset, rows, temporary)
    path = temporary / dataset.folder / RECORD_FILE
    path.write_text(json.dumps(record, indent=2) + '\n', encoding='utf-8')
  return Imported(name, names, counts, rows.duplicates, status, target)


def _read_record(target: pathlib.Path) -> dict[str, Any] | None:
  """Returns the record of an earlier import, None if the place is free."""
  if not target.exists():
    return None
  try:
    record = json_text.decode_json((target / RECORD_FILE).read_bytes())
  except FileNotFoundError:
    raise ImportRowsError(
      f'{target} has a dataset that was not imported, perhaps a download; '
      'choose another data directory, or remove it'
    ) from None
  except json_text.NotJsonError:
    record = None
  # A damaged record of an import is replaced.
  return record if isinstance(record, dict) else {}


def _write(dataset: _Dataset, rows: Rows, data_dir: pathlib.Path) -> None:
  """Has TFDS write the rows."""
  import tensorflow_datasets as tfds

  tfds.disable_progress_bar()
  config = tfds.download.DownloadConfig(try_download_gcs=False)
  # TFDS announces a download, and warns that it does not know the config.
  with quiet_start(), contextlib.redirect_stdout(io.StringIO()):
    tfds.dataset_builders.AdhocBuilder(
      name=dataset.name,
      config=dataset.config,
      version=dataset.version,
      features=dataset.features,
      split_datasets={
        split: list(enumerate(found)) for split, found in rows.splits.items()
      },
      data_dir=data_dir,
      **(dataset.about or {'description': 'Rows imported by flan_jax.'}),
    ).download_and_prepare(download_config=config)


def _place(
  dataset: _Dataset, data_dir: pathlib.Path, temporary: pathlib.Path
) -> None:
  """Moves a finished dataset into place; an old one is removed last."""
  target = data_dir / dataset.folder
  target.parent.mkdir(parents=True, exist_ok=True)
  # TFDS keeps the name of the default config next to the configs. Its own
  # builders know theirs.
  default = pathlib.Path(dataset.name, '.config')
  if not dataset.about and dataset.config and not (data_dir / default).exists():
    os.rename(temporary / default, data_dir / default)
  retired = temporary / 'retired' / dataset.folder
  if target.exists():
    retired.parent.mkdir(parents=True)
    os.rename(target, retired)
  try:
    os.rename(temporary / dataset.folder, target)
  except OSError:
    if retired.exists():
      os.rename(retired, target)
    raise
