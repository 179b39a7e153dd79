"""`flan-jax import-data`: turns JSON Lines into a TFDS data directory."""

from collections.abc import Sequence

from flan_jax.command_flags.import_data_flags import make_parser
from flan_jax.runtime.tensorflow_start import start_tensorflow
from flan_jax.sources.tfds_import import import_rows
from flan_jax.terminal.screen import show


def main(argv: Sequence[str]) -> int:
  """Runs the command with the given flags; prints a line for each dataset.

  Raises:
    ImportRowsError: a file, a row or a name is wrong; nothing was imported.
  """
  flags = make_parser().parse_args(argv)
  start_tensorflow()
  for imported in import_rows(flags.input, flags.data_dir, flags.builder):
    rows = ', '.join(f'{split} {n}' for split, n in imported.rows.items())
    show([f'{imported.builder}: {rows} ({imported.status})'])
  return 0
