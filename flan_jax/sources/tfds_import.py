"""Turns JSON Lines into a TFDS directory that reads like a downloaded one.

A folder holds `*.jsonl` files and a `meta.json` that says what they are:

  {"rte": {"tfds": "super_glue/rte:1.0.2"},
   "mnli_matched": {"tfds": "glue/mnli:2.0.0"},
   "mnli_mismatched": {"tfds": "glue/mnli:2.0.0"},
   "mine": {"tfds": "my_lab_reviews:1.0.0",
            "features": {"text": "text", "label": ["neg", "pos"]},
            "drop": ["url"]}}

A row has the builder's fields (a class as number or name, a sequence of
objects as an object of lists) and `_split`. `features` is for datasets that
TFDS has no builder for, in the grammar of `row_check`; `drop` names fields
that the dataset lacks. Other keys of an entry are notes and are not read.

Nothing is downloaded, and nothing in the target changes unless every row of
every file is right.
"""

from collections.abc import Iterator, Sequence
import contextlib
import dataclasses
import difflib
import io
import json
import os
import pathlib
import re
import shutil
import tempfile
import types
from typing import Any

import flan_jax
from flan_jax.sources import import_files, row_check
from flan_jax.sources.import_files import (
  META_FILE,
  ImportRowsError,
  Log,
  Row,
  SourceFile,
)

RECORD_FILE = 'flan_jax_import.json'

_OWN_VERSION = '1.0.0'
# TFDS's own pattern allows `..`, which would lead out of the data directory.
_OWN_CONFIG = re.compile(r'[A-Za-z0-9_][A-Za-z0-9_.-]*')


@dataclasses.dataclass(frozen=True)
class Imported:
  """One dataset that an import brought.

  Attributes:
    builder: TFDS name with config and version, as written.
    requested: The names that `meta.json` or the caller gave.
    files: Names of the files that the rows came from.
    rows: Rows by split, duplicates left out.
    duplicates: Rows left out because an earlier file has them too.
    status: 'new', 'replaced' (an import of other rows) or 'up to date'.
    path: The version's folder.
  """

  builder: str
  requested: tuple[str, ...]
  files: tuple[str, ...]
  rows: dict[str, int]
  duplicates: int
  status: str
  path: pathlib.Path


def mini_corpus() -> pathlib.Path:
  """Returns the folder of the small corpus that comes with the package."""
  return pathlib.Path(flan_jax.__file__).parent / 'mini'


def import_rows(
  input_dir: str | os.PathLike,
  data_dir: str | os.PathLike,
  builder: str | None = None,
  log: Log = print,
) -> list[Imported]:
  """Writes JSON Lines as TFDS datasets; see the module for their form.

  Files of one builder become one dataset, their rows merged by split; a row
  that several files have is kept once. A version that TFDS cannot write any
  more becomes the installed one. Rows imported before are left alone; other
  rows under the same name and version are replaced.

  Args:
    input_dir: A folder with `meta.json`, or one file of it.
    data_dir: TFDS data directory, made if missing.
    builder: TFDS name for a single file, in place of `meta.json`.
    log: Called with one line for each thing that was decided for the user.

  Returns:
    The datasets, in order of their names.

  Raises:
    ImportRowsError: a file, a row or a name is wrong, or the place is taken
      by a dataset that no import made. Nothing in `data_dir` has changed.
  """
  if '://' in os.fspath(data_dir):
    raise ImportRowsError(
      f'{data_dir} is not a local folder; import to one and copy it there'
    )
  files = import_files.find_files(
    pathlib.Path(input_dir).expanduser(), builder, log
  )
  data_dir = pathlib.Path(data_dir).expanduser().resolve()
  data_dir.mkdir(parents=True, exist_ok=True)
  # Beside the target, so that moving into place is a rename.
  temporary = pathlib.Path(tempfile.mkdtemp(prefix='.import_', dir=data_dir))
  try:
    with _offline(temporary):
      groups = _group(files, temporary, log)
      done = [
        _import_group(tfds_builder, group, data_dir, log)
        for tfds_builder, group in groups
      ]
    for imported in done:
      if imported.status != 'up to date':
        _place(imported.path, data_dir, temporary)
  finally:
    shutil.rmtree(temporary, ignore_errors=True)
  return done


def _group(files: Sequence[SourceFile], temporary: pathlib.Path, log: Log):
  """Returns (TFDS builder, its files) in order of the builders' names."""
  groups: dict[str, tuple[Any, list[SourceFile]]] = {}
  opened: dict[str, Any] = {}
  for file in files:
    key = json.dumps([file.requested, file.features])
    if key not in opened:
      opened[key] = _open_builder(file, temporary, log)
    builder = opened[key]
    _, group = groups.setdefault(_full_name(builder), (builder, []))
    if group and group[0].features != file.features:
      raise ImportRowsError(
        f'{META_FILE}: {group[0].path.stem} and {file.path.stem} state other '
        f'"features" for {file.requested}'
      )
    group.append(file)
  return [groups[name] for name in sorted(groups)]


def _open_builder(file: SourceFile, temporary: pathlib.Path, log: Log):
  """Returns the TFDS builder of a file, writing to the temporary folder."""
  import tensorflow_datasets as tfds
  from tensorflow_datasets.core import naming

  try:
    name, asked = naming.parse_builder_name_kwargs(file.requested)
  except ValueError:
    raise ImportRowsError(
      f'{file.path.name}: {file.requested!r} is not a TFDS name; write '
      'NAME, NAME/CONFIG or NAME/CONFIG:1.0.0'
    ) from None
  if set(asked) - {'config', 'version'}:
    raise ImportRowsError(
      f'{file.path.name}: {file.requested!r} has more than name, config and '
      'version'
    )
  cls = _builder_class(name.name)
  if cls is None:
    return _own_builder(file, name.name, asked, temporary)
  if file.features is not None:
    raise ImportRowsError(
      f'{META_FILE}: {file.path.stem}: TFDS has a builder {name.name} with '
      'fields of its own; remove "features", or choose another name'
    )
  builder = _tfds_builder(file, cls, asked.get('config'), temporary)
  used = _full_name(builder)
  if name.namespace:
    log(f'{file.requested} needs a network: using {used}')
  version = asked.get('version')
  if version is not None and not builder.version.match(version):
    log(
      f'{file.requested}: TFDS {tfds.__version__} cannot write this version; '
      f'using {used}'
    )
  return builder


def _builder_class(name: str):
  import tensorflow_datasets as tfds

  try:
    return tfds.builder_cls(name)
  except tfds.core.registered.DatasetNotFoundError:
    return None


def _tfds_builder(file: SourceFile, cls, config: str | None, temporary):
  """Constructs TFDS's builder in the version that it can write."""
  import tensorflow_datasets as tfds

  if config is not None and config not in cls.builder_configs:
    hint = difflib.get_close_matches(config, cls.builder_configs, n=3)
    near = f'; nearest: {", ".join(hint)}' if hint else ''
    raise ImportRowsError(
      f'{file.path.name}: {cls.name} has no config {config!r}{near}'
    )
  if not issubclass(cls, tfds.core.GeneratorBasedBuilder):
    raise ImportRowsError(
      f'{file.path.name}: {cls.name} is not written row by row in TFDS'
    )
  return cls(data_dir=temporary, config=config)


def _own_builder(file: SourceFile, name: str, asked, temporary: pathlib.Path):
  import tensorflow_datasets as tfds

  if file.features is None:
    known = tfds.list_builders(with_community_datasets=False)
    hint = difflib.get_close_matches(name, known, n=3)
    near = f' (nearest: {", ".join(hint)})' if hint else ''
    raise ImportRowsError(
      f'{file.path.name}: TFDS has no builder {name!r}{near}; for a dataset of '
      f'your own state "features" in {META_FILE}: {row_check.GRAMMAR}'
    )
  try:
    features = row_check.parse_features(file.features)
  except row_check.FieldError as error:
    raise ImportRowsError(
      f'{META_FILE}: {file.path.stem}: features: {error}'
    ) from error
  config = asked.get('config')
  if config is not None and not _OWN_CONFIG.fullmatch(config):
    raise ImportRowsError(
      f'{file.path.name}: {config!r} is not a config; use letters, digits, _, '
      '. and -'
    )
  version = asked.get('version', _OWN_VERSION)
  if not tfds.core.Version.is_valid(version):
    raise ImportRowsError(
      f'{file.path.name}: {version!r} is not a version, as {_OWN_VERSION} is'
    )
  return tfds.dataset_builders.AdhocBuilder(
    name=name,
    config=config,
    version=version,
    features=features,
    split_datasets={},
    data_dir=temporary,
    description='Rows imported by flan_jax.',
  )


def _full_name(builder) -> str:
  config = f'/{builder.builder_config.name}' if builder.builder_config else ''
  return f'{builder.name}{config}:{builder.version}'


def _import_group(builder, files, data_dir: pathlib.Path, log: Log) -> Imported:
  """Checks the rows of one dataset and writes them to the temporary folder."""
  name = _full_name(builder)
  written = pathlib.Path(builder.data_dir)
  target = data_dir / written.relative_to(builder.data_dir_root)
  old = _read_record(target)
  rows, duplicates = import_files.merge_rows(builder.info.features, files, log)
  if duplicates:
    log(f'{name}: {duplicates} rows are in several files; kept once')
  splits: dict[str, list[Row]] = {}
  for row in rows:
    splits.setdefault(row.split, []).append(row)
  record = {
    'builder': name,
    'requested': sorted({file.requested for file in files}),
    'files': [file.path.name for file in files],
    'features': files[0].features,
    'rows': {split: len(splits[split]) for split in splits},
    'duplicates': duplicates,
    'sha256': import_files.digest(rows),
    'flan_jax': flan_jax.__version__,
  }
  status = 'new'
  if old is not None:
    compared = ('builder', 'features', 'sha256')
    same = all(old.get(key) == record[key] for key in compared)
    status = 'up to date' if same else 'replaced'
  if status == 'replaced':
    log(
      f'{name}: replaces rows imported from '
      f'{", ".join(old.get("files", ["other files"]))}'
    )
  if status != 'up to date':
    _write(builder, splits)
    text = json.dumps(record, indent=2) + '\n'
    (written / RECORD_FILE).write_text(text, encoding='utf-8')
  return Imported(
    builder=name,
    requested=tuple(record['requested']),
    files=tuple(record['files']),
    rows=record['rows'],
    duplicates=duplicates,
    status=status,
    path=target,
  )


def _read_record(target: pathlib.Path) -> dict[str, Any] | None:
  """Returns the record of an earlier import, None if the place is free."""
  if not target.exists():
    return None
  try:
    return json.loads((target / RECORD_FILE).read_text(encoding='utf-8'))
  except FileNotFoundError:
    raise ImportRowsError(
      f'{target} holds a dataset that no import made, perhaps a download; '
      'choose another data directory, or remove it yourself'
    ) from None
  except ValueError:
    return {}  # An import's all the same: to be replaced.


@contextlib.contextmanager
def _offline(temporary: pathlib.Path) -> Iterator[None]:
  """Keeps TFDS from asking its bucket for sizes, and from littering."""
  import tensorflow_datasets as tfds
  from tensorflow_datasets.core.utils import gcs_utils

  tfds.disable_progress_bar()
  before = gcs_utils._is_gcs_disabled, tempfile.tempdir
  # TFDS's own switch; releases differ in its default.
  gcs_utils._is_gcs_disabled = True
  # Every builder makes a folder here for what the bucket says, and leaves it.
  tempfile.tempdir = os.fspath(temporary)
  try:
    yield
  finally:
    gcs_utils._is_gcs_disabled, tempfile.tempdir = before


def _write(builder, splits: dict[str, list[Row]]) -> None:
  """Has TFDS write the rows, with the features and notes of the builder."""
  import tensorflow_datasets as tfds

  latest = ['']

  def keyed(rows):
    for key, row in enumerate(rows):
      latest[0] = row.place
      yield key, row.fields

  # Everything of the builder is kept but where its rows come from. Set on the
  # object: a subclass would lose the notes that TFDS finds beside its module.
  builder._split_generators = lambda dl_manager: {
    name: keyed(rows) for name, rows in splits.items()
  }
  # In place of what downloads: only asked how much it has downloaded.
  builder._make_download_manager = lambda **_: types.SimpleNamespace(
    downloaded_size=0
  )
  config = tfds.download.DownloadConfig(try_download_gcs=False)
  try:
    # TFDS prints what it believes to download.
    with contextlib.redirect_stdout(io.StringIO()):
      builder.download_and_prepare(download_config=config)
  except (ValueError, TypeError, KeyError, RuntimeError) as error:
    last = str(error).strip().splitlines()[-1]
    raise ImportRowsError(
      f'{latest[0]}: TFDS refuses the row: {last}'
    ) from error


def _place(
  target: pathlib.Path, data_dir: pathlib.Path, temporary: pathlib.Path
) -> None:
  """Moves a finished dataset into place; the one it replaces goes last."""
  relative = target.relative_to(data_dir)
  target.parent.mkdir(parents=True, exist_ok=True)
  # TFDS keeps the name of the default config beside the configs.
  default = pathlib.Path(relative.parts[0], '.config')
  if (temporary / default).exists() and not (data_dir / default).exists():
    os.rename(temporary / default, data_dir / default)
  retired = temporary / 'retired' / relative
  if target.exists():
    retired.parent.mkdir(parents=True)
    os.rename(target, retired)
  try:
    os.rename(temporary / relative, target)
  except OSError:
    if retired.exists():
      os.rename(retired, target)
    raise
