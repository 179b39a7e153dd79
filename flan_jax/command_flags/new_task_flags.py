"""The flags of `flan-jax new-task`."""

from flan_jax.flags import FlagParser


def make_parser() -> FlagParser:
  """Returns the parser of the command."""
  parser = FlagParser(
    'new-task',
    'Writes NAME.py, a module that declares a dataset of your own rows with '
    'one template, in the working directory.',
  )
  parser.add_argument('name', help='name of the dataset, such as tickets')
  parser.add_argument(
    '--from',
    dest='rows',
    required=True,
    metavar='ROWS',
    help='file of rows (.csv, .tsv, .jsonl, .parquet), folder of such files, '
    'or source such as hf:./folder',
  )
  return parser
