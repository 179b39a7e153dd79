"""`flan-jax explore`: a page that shows every template on real rows."""

import argparse
from collections.abc import Sequence
import functools
import os
import sys
from typing import Any

from flan_jax import __version__
from flan_jax.command_flags.explore_flags import FILE, make_parser
from flan_jax.definitions import registry, template_set
from flan_jax.definitions.dataset import Dataset
from flan_jax.errors import ConfigError
from flan_jax.explorer import catalog, explorer_page
from flan_jax.inspection import prepared
from flan_jax.runtime.paths import is_local, user_path, write_whole
from flan_jax.runtime.tensorflow_start import (
  quiet_start,
  skip_graph_optimization,
  start_tensorflow,
)
from flan_jax.sources.data_dir import data_root
from flan_jax.sources.mini import MINI, open_data_dir
from flan_jax.tasks import CLUSTERS
from flan_jax.terminal.bar import Bar
from flan_jax.terminal.screen import show
from flan_jax.vocabulary.load import load_vocabulary


def main(argv: Sequence[str]) -> int:
  """Runs the command with the given flags; writes to `--out`.

  Returns:
    The exit code 0.

  Raises:
    UserError: a flag or a name is wrong, or `--out` cannot be written.
  """
  flags = make_parser().parse_args(argv)
  registry.load(flags.task_module)
  if flags.template_set:
    template_set.apply(flags.template_set)
  parts = _parts(flags.name)
  _check_data_dir(flags.data_dir)
  path = _output(flags.out)
  data = _described(parts, flags)
  write_whole(path, explorer_page.html(data))
  missing = sum('missing' in part for part in data['parts'])
  if missing == 1:
    show(['1 subset is not prepared and shows no rows'])
  elif missing:
    show([f'{missing} subsets are not prepared and show no rows'])
  show([f'wrote {path} ({path.stat().length / 1e6:.1f} MB)'])
  return 0


def _parts(names: Sequence[str]) -> list[Dataset]:
  """Returns the parts that names stand for; without names, all of them."""
  every = sorted(
    (part for _, part in registry.parts().values()),
    # The paper's clusters first, in its order.
    key=lambda part: (*CLUSTERS, part.cluster).index(part.cluster),
  )
  if not names:
    return every
  chosen = {part.name for name in names for part in prepared.parts_of(name)}
  return [part for part in every if part.name in chosen]


def _check_data_dir(data_dir: str | None) -> None:
  """Raises ConfigError for a directory that is not there; no rows are in it."""
  if data_dir != MINI and is_local(str(root := data_root(data_dir))):
    if not root.is_dir():
      raise ConfigError(
        f'{root} is no folder: prepare datasets in it with `flan-jax prepare`, '
        'or name another --data_dir'
      )


def _output(out: str) -> Any:
  """Makes the folder of the page, and returns the path of the page."""
  folder = user_path(out)
  try:
    folder.mkdir(parents=True, exist_ok=True)
    writable = not is_local(out) or os.access(folder, os.W_OK)
  except OSError:
    writable = False
  if not writable:
    raise ConfigError(
      f'--out={out} cannot be written: it is a file, or a folder is read-only'
    )
  return folder / FILE


def _described(
  parts: Sequence[Dataset], flags: argparse.Namespace
) -> dict[str, Any]:
  """Returns all that the page shows."""
  log = functools.partial(print, 'explore:', file=sys.stderr, flush=True)
  data_dir = open_data_dir(flags.data_dir, flags.cache_dir, log)
  start_tensorflow()
  skip_graph_optimization()
  vocabulary = load_vocabulary(flags.vocabulary)
  with quiet_start():
    from flan_jax.explorer.row_reader import RowReader, RowSettings
    from flan_jax.vocabulary.seqio import as_seqio

    # Loads its libraries.
    as_seqio(vocabulary).encode_tf('')
  reader = RowReader(RowSettings(data_dir, vocabulary, flags.rows, flags.shots))
  described = catalog.describe(parts, data_dir)
  with Bar('rendering', len(parts), 'subset') as bar:
    for place, part in enumerate(parts):
      about = described['parts'][place]
      if prepared.status_of(part, data_dir) == prepared.PREPARED:
        about = explorer_page.with_rows(about, reader.show(part))
      else:
        command = prepared.prepare_command(part.name, flags.data_dir)
        reason = f'{part.source} is not prepared; run `{command}`.'
        about = explorer_page.without_rows(about, reason)
      described['parts'][place] = about
      bar.update()
  return {
    'version': __version__,
    'rows_from': _origin(flags.data_dir),
    'shots': flags.shots,
    **described,
  }


def _origin(data_dir: str | None) -> str:
  if data_dir == MINI:
    return 'the shipped mini corpus, which was written for this project'
  return f'{data_dir or "the data directory of TFDS"}'
