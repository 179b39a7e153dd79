"""`flan-jax import-data`: turns JSON Lines into a TFDS data directory."""

import argparse
from collections.abc import Sequence

from flan_jax.flags import FlagParser
from flan_jax.runtime.tensorflow_start import start_tensorflow
from flan_jax.sources.tfds_import import import_rows
from flan_jax.terminal.screen import show


def main(argv: Sequence[str]) -> int:
  """Runs the command with the given flags; prints a line for each dataset.

  Raises:
    ImportRowsError: a file, a row or a name is wrong; nothing was imported.
  """
  flags = _parse(argv)
  start_tensorflow()
  for imported in import_rows(flags.input, flags.data_dir, flags.builder):
    rows = ', '.join(f'{split} {n}' for split, n in imported.rows.items())
    show([f'{imported.builder}: {rows} ({imported.status})'])
  return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
  parser = FlagParser(
    'import-data',
    'Writes JSON Lines as a TFDS data directory, without a network. Rows have '
    'the fields of the TFDS dataset and "_split".',
  )
  add = parser.add_argument
  add(
    '--input',
    required=True,
    help='folder of *.jsonl with meta.json, or one file of it',
  )
  add('--data_dir', required=True, help='TFDS data directory to write to')
  add(
    '--builder',
    help='TFDS name of a single file, such as super_glue/rte:1.0.2, instead of '
    'meta.json',
  )
  return parser.parse_args(argv)
