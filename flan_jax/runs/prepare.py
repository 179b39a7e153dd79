"""`flan-jax prepare`: downloads what a mixture or task needs."""

import argparse
from collections.abc import Iterator, Sequence

from flan_jax.command_flags.prepare_flags import make_parser
from flan_jax.definitions import registry
from flan_jax.definitions.dataset import Dataset
from flan_jax.errors import ConfigError
from flan_jax.inspection import prepared
from flan_jax.inspection.prepared import DOWNLOAD, MANUAL
from flan_jax.sources.download import (
  DownloadError,
  MissingFilesError,
  download,
  manual_instructions,
)
from flan_jax.sources.hub import download_copy, download_table
from flan_jax.sources.json_rows import ImportRowsError
from flan_jax.sources.mini import MINI
from flan_jax.sources.table_files import (
  HUB,
  find_files,
  hub_name,
  is_table,
  missing_files,
)
from flan_jax.tasks.hub_copies import HUB_COPIES
from flan_jax.terminal.blocks import Block, Line, Paragraph
from flan_jax.terminal.screen import show


def main(argv: Sequence[str]) -> int:
  """Runs the command with the given flags.

  Prepared datasets are skipped and downloaded files used again, so that the
  same command continues after an interruption.

  Returns:
    The exit code: 0, or 1 if a download failed; all have been tried then.

  Raises:
    UserError: a flag is wrong, or there is no such task or mixture.
  """
  flags = _parse(argv)
  registry.load(flags.task_module)
  parts = {
    part.source: part for name in flags.name for part in prepared.parts_of(name)
  }
  states: dict[str, list[Dataset]] = {state: [] for state in prepared.STATES}
  for part in parts.values():
    if is_table(part.source) and hub_name(part.source) is None:
      _check_file(part)
    states[prepared.status_of(part, flags.data_dir)].append(part)
  counts = ', '.join(f'{len(found)} {s}' for s, found in states.items())
  names = ' '.join(flags.name)
  show([f'{names}: {counts} in {prepared.data_root(flags.data_dir)}'])
  downloads, manual = states[DOWNLOAD], states[MANUAL]
  if flags.origin == HUB:
    downloads, manual = _of_hub([*downloads, *manual]), []
  if flags.dry_run:
    show(f'would download {_place(p, flags.origin)}' for p in downloads)
    show(_manual([(part, '') for part in manual], flags.data_dir))
    return 0
  return _prepare(downloads, manual, flags.data_dir, flags.origin)


def _of_hub(parts: Sequence[Dataset]) -> list[Dataset]:
  """Returns the parts that the hub has; names the others."""
  found = [p for p in parts if _hub_name_of(p) is not None]
  others = [part.source for part in parts if part not in found]
  if others:
    show(
      [
        Paragraph(
          f'no copy on the hub is known of {", ".join(others)}: the same '
          'command without --from=hf prepares them'
        )
      ]
    )
  return found


def _hub_name_of(part: Dataset) -> str | None:
  """Returns the name of a dataset of the hub with the rows of a part."""
  if is_table(part.source):
    return hub_name(part.source)
  copy = HUB_COPIES.get(part.source)
  return copy and '/'.join(filter(None, (copy.name, copy.config)))


def _place(part: Dataset, origin: str) -> str:
  if origin == HUB:
    return f'{part.source} from {_hub_name_of(part)} of the Hugging Face hub'
  return part.source


def _check_file(part: Dataset) -> None:
  """Says that there is nothing to download, if the user's file is there."""
  if find_files(part.source, None) is None:
    raise ConfigError(missing_files(part.source, part.name, None))
  show([f'{part.name} is read from {part.source}: nothing to download'])


def _parse(argv: Sequence[str]) -> argparse.Namespace:
  flags = make_parser().parse_args(argv)
  if flags.data_dir == MINI:
    raise ConfigError('--data_dir=mini ships with flan_jax: nothing to prepare')
  return flags


def _prepare(
  downloads: Sequence[Dataset],
  manual: Sequence[Dataset],
  data_dir: str | None,
  origin: str,
) -> int:
  todo, missing, failed = list(downloads), [], []
  folder = prepared.manual_folder(data_dir)
  has_files = folder.is_dir() and any(folder.iterdir())
  (todo if has_files else missing).extend(manual)
  for number, part in enumerate(todo, 1):
    show([f'[{number}/{len(todo)}] {_place(part, origin)}'])
    try:
      _download(part, data_dir, origin)
    except MissingFilesError:
      missing.append(part)
    except (DownloadError, ImportRowsError) as error:
      failed.append((part, str(error)))
  described = [(part, manual_instructions(part.source)) for part in missing]
  show(_manual(described, data_dir))
  if failed:
    show(['', Line('failed; the same command tries them again:', 'red')])
  for part, reason in failed:
    show([f'  {part.source}', Paragraph(reason, '    ')])
  return 1 if failed else 0


def _download(part: Dataset, data_dir: str | None, origin: str) -> None:
  if is_table(part.source):
    download_table(part.source, data_dir)
  elif origin == HUB:
    readers = [p for _, p in registry.parts().values()]
    readers = [p for p in readers if p.source == part.source]
    download_copy(
      HUB_COPIES[part.source], readers, data_dir, lambda line: show([line])
    )
  else:
    download(part.source, data_dir, bool(part.manual))


def _manual(
  missing: Sequence[tuple[Dataset, str]], data_dir: str | None
) -> Iterator[Block]:
  """Yields what to download manually, by our declaration and by TFDS."""
  if not missing:
    return
  yield ''
  yield 'Download these manually and put the files in'
  yield f'{prepared.manual_folder(data_dir)}; then run the same command again:'
  for part, instructions in missing:
    yield f'  {part.source}'
    yield Paragraph(part.manual, '    ')
    if instructions:
      yield Paragraph(f'TFDS: {instructions}', '    ')
