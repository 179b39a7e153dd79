"""The flags of `flan-jax plan`."""

import functools

from flan_jax import command_help
from flan_jax.flags import FlagParser, integer

# Those of `planning.request`, which loads JAX.
PROGRAMS = ('train', 'evaluation', 'prefill', 'generate')


def make_parser() -> FlagParser:
  """Returns the parser of the command."""
  parser = FlagParser(
    'plan',
    'Compiles the programs of a run for hardware that need not be present, and '
    'prints the memory, time and cost of the run. A model file and a hardware '
    'file suffice; all other settings are those of train.',
  )
  parser.add_argument(
    '--topology', help='hardware instead of HARDWARE, such as v5p:4x4x4'
  )
  parser.add_argument(
    '--devices',
    type=integer(),
    help='number of devices for the CPU to simulate, without libtpu',
  )
  parser.add_argument('--only', choices=PROGRAMS, help='plan one program')
  parser.add_argument('--format', choices=('text', 'json'), default='text')
  parser.add_gin_flags()
  parser.more_help = functools.partial(command_help.macros_of, 'plan')
  return parser
