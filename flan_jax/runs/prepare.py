"""`flan-jax prepare`: downloads what a mixture or task needs, through TFDS."""

import argparse
from collections.abc import Sequence
import textwrap

from flan_jax.definitions import registry
from flan_jax.definitions.dataset import Dataset
from flan_jax.errors import ConfigError
from flan_jax.inspection import prepared
from flan_jax.inspection.prepared import DOWNLOAD, MANUAL
from flan_jax.runs.reading import FlagParser
from flan_jax.runtime.console import wrapped
from flan_jax.runtime.tensorflow_start import start_tensorflow
from flan_jax.sources.mini import MINI

_MOST_CHARACTERS = 400  # Of what TFDS says.


def main(argv: Sequence[str]) -> int:
  """Runs the command.

  What is prepared is skipped and what was downloaded is used again, so that
  the same command goes on after an interruption.

  Args:
    argv: The flags, without the command's name.

  Returns:
    The exit code: 0, or 1 if a download failed; all have been tried then.

  Raises:
    ConfigError: a flag that is unknown or does not fit.
    UnknownNameError: no such task or mixture; names the three nearest.
  """
  flags = _parse(argv)
  registry.load(flags.task_module)
  parts = {part.source: part for part in prepared.parts_of(flags.name)}
  states: dict[str, list[Dataset]] = {state: [] for state in prepared.STATES}
  for part in parts.values():
    states[prepared.status_of(part, flags.data_dir)].append(part)
  counts = ', '.join(f'{len(found)} {s}' for s, found in states.items())
  print(f'{flags.name}: {counts} in {prepared.data_root(flags.data_dir)}')
  if flags.dry_run:
    for part in states[DOWNLOAD]:
      print(f'would download {part.source}')
    _print_manual([(p, '') for p in states[MANUAL]], flags.data_dir)
    return 0
  return _prepare(states[DOWNLOAD], states[MANUAL], flags.data_dir)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
  parser = FlagParser(
    'flan-jax prepare',
    'Has TFDS download and prepare what a mixture or task reads, one source '
    'after the other, and says which have to be fetched by hand.',
  )
  parser.add_argument('name', help='a mixture, a dataset or a task')
  parser.add_argument(
    '--dry_run', action='store_true', help='only say what would be downloaded'
  )
  flags = parser.parse_args(argv)
  if flags.data_dir == MINI:
    raise ConfigError('the mini corpus is shipped: there is nothing to prepare')
  return flags


def _prepare(
  downloads: Sequence[Dataset], manual: Sequence[Dataset], data_dir: str | None
) -> int:
  """Prepares what is not there yet; returns the exit code."""
  todo, missing, failed = list(downloads), [], []
  if _has_files(prepared.manual_folder(data_dir)):
    todo += manual
  else:
    missing += manual
  for number, part in enumerate(todo, 1):
    print(f'[{number}/{len(todo)}] {part.source}', flush=True)
    try:
      _download(part.source, data_dir)
    except Exception as error:  # The others are tried all the same.
      if part.manual and _is_missing_file(error):
        missing.append(part)
      else:
        failed.append((part, error))
  _print_manual([(part, _instructions(part)) for part in missing], data_dir)
  if failed:
    print('\nfailed; the same command tries them again:')
  for part, error in failed:
    print(f'  {part.source}')
    print(*wrapped(_reason(error), '    '), sep='\n')
  return 1 if failed else 0


def _has_files(folder) -> bool:
  return folder.is_dir() and any(folder.iterdir())


def _download(source: str, data_dir: str | None) -> None:
  start_tensorflow()
  import tensorflow_datasets as tfds

  tfds.builder(source, data_dir=data_dir).download_and_prepare()


def _is_missing_file(error: Exception) -> bool:
  """Whether TFDS did not find what is to be fetched by hand."""
  import tensorflow as tf

  # An assertion is TFDS's way of saying so; some builders just read the file.
  kinds = (AssertionError, FileNotFoundError, tf.errors.NotFoundError)
  return isinstance(error, kinds)


def _instructions(part: Dataset) -> str:
  """Returns what TFDS says about fetching files by hand, in short."""
  start_tensorflow()
  import tensorflow_datasets as tfds

  try:
    builder = tfds.builder_cls(part.source.partition(':')[0].split('/')[0])
  except tfds.core.registered.DatasetNotFoundError:
    return ''  # Not one of TFDS's; the declaration says where it is.
  text = builder.MANUAL_DOWNLOAD_INSTRUCTIONS or ''
  return textwrap.shorten(text, _MOST_CHARACTERS, placeholder=' …')


def _reason(error: Exception) -> str:
  import tensorflow_datasets as tfds

  if isinstance(error, tfds.core.registered.DatasetNotFoundError):
    return 'TFDS has no such dataset; bring rows with `flan-jax import-data`'
  text = f'{type(error).__name__}: {error}'
  return textwrap.shorten(text, _MOST_CHARACTERS, placeholder=' …')


def _print_manual(
  missing: Sequence[tuple[Dataset, str]], data_dir: str | None
) -> None:
  """Prints what has to be fetched: ours first, then what TFDS says."""
  if not missing:
    return
  folder = prepared.manual_folder(data_dir)
  print(f'\nto be fetched by hand and put in {folder};')
  print('the same command then goes on with them:')
  for part, instructions in missing:
    print(f'  {part.source}')
    print(*wrapped(part.manual, '    '), sep='\n')
    if instructions:
      print(*wrapped(f'TFDS: {instructions}', '    '), sep='\n')
