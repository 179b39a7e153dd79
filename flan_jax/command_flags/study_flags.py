"""The flags of `flan-jax study`."""

import functools

from flan_jax import command_help
from flan_jax.flags import FlagParser

SIZES = ('smoke', 'small', 'paper')


def make_parser() -> FlagParser:
  """Returns the parser of the command."""
  parser = FlagParser('study', 'run an experiment of the paper')
  parser.add_argument(
    'name', help='a file of gin/experiments without .gin, such as main'
  )
  parser.add_argument(
    '--size',
    choices=SIZES,
    default='smoke',
    help='smoke: minutes on a CPU, shows that it runs; small: a model of 135 '
    "million parameters on your data; paper: the paper's (default: smoke)",
  )
  parser.add_argument(
    '--study_dir',
    default='studies',
    help='folder of all results, which studies share (default: studies)',
  )
  parser.add_argument(
    '--from',
    dest='others',
    metavar='STUDY_DIR',
    action='append',
    default=[],
    help='also read what is finished there; may be repeated',
  )
  parser.add_argument(
    '--cell',
    action='append',
    default=[],
    metavar='ARM/HOLDOUT/SEED',
    help='run only this cell; may be repeated',
  )
  parser.add_argument(
    '--print_commands',
    action='store_true',
    help='print one command for each cell, to run in any order and anywhere',
  )
  parser.add_gin_flags()
  parser.more_help = functools.partial(command_help.macros_of, 'study')
  return parser
