"""The flags of `flan-jax prepare`."""

from flan_jax.flags import FlagParser
from flan_jax.sources.table_files import HUB


def make_parser() -> FlagParser:
  """Returns the parser of the command."""
  parser = FlagParser(
    'prepare',
    'Has TFDS download and prepare what a mixture or task reads, one source '
    'after the other, and lists what has to be downloaded manually.',
  )
  parser.add_data_flags()
  parser.add_argument('name', nargs='+', help='mixtures, datasets or tasks')
  parser.add_argument(
    '--from',
    dest='origin',
    choices=('tfds', HUB),
    default='tfds',
    help='where datasets of TFDS are downloaded from: by TFDS, or (hf) from '
    'copies on the Hugging Face hub; needs flan_jax[hf]',
  )
  parser.add_argument(
    '--dry_run', action='store_true', help='only print what would be downloaded'
  )
  return parser
