"""The flags of `flan-jax import-data`."""

from flan_jax.flags import FlagParser


def make_parser() -> FlagParser:
  """Returns the parser of the command."""
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
  return parser
