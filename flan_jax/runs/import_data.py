"""`flan-jax import-data`: JSON Lines -> a TFDS data directory."""

import argparse
from collections.abc import Sequence
import os
import sys

from flan_jax.sources import tfds_import


def main(argv: Sequence[str]) -> int:
  """Runs the command; prints one line a dataset.

  Args:
    argv: The flags, without the command's name.

  Returns:
    The exit code: 0, or 2 if nothing was imported because of an error, which
    is printed.
  """
  flags = _parse(argv)
  # TensorFlow's notes on the processor would drown ours.
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
  try:
    done = tfds_import.import_rows(
      flags.input, flags.data_dir, flags.builder, log=_note
    )
  except (tfds_import.ImportRowsError, OSError) as error:
    print(f'import-data: {error}', file=sys.stderr)
    return 2
  for imported in done:
    rows = ', '.join(f'{split} {n}' for split, n in imported.rows.items())
    print(f'{imported.builder}: {rows} ({imported.status})')
  return 0


def _note(text: str) -> None:
  print(f'import-data: {text}', file=sys.stderr)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    prog='flan-jax import-data',
    description='Writes JSON Lines as a TFDS data directory, without a '
    'network. Rows have the fields of the TFDS builder and "_split".',
    allow_abbrev=False,
  )
  parser.add_argument(
    '--input',
    required=True,
    help='folder of *.jsonl with meta.json, or one file of it',
  )
  parser.add_argument(
    '--data_dir', required=True, help='TFDS data directory to write to'
  )
  parser.add_argument(
    '--builder',
    help='TFDS name of a single file, as super_glue/rte:1.0.2, in place of '
    'meta.json',
  )
  return parser.parse_args(argv)
