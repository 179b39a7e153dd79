"""The flags of `flan-jax launch`."""

import argparse
import contextlib
import math

from flan_jax.flags import FlagParser, integer
from flan_jax.setting_types import CountOrZero

_TARGETS = ('cloud_tpu', 'gke', 'slurm')
_PACKAGE = 'flan_jax[gcp,tpu]'


def make_parser() -> FlagParser:
  """Returns the parser of the command."""
  parser = FlagParser(
    'launch',
    'Runs a command on other machines, and again where it was interrupted. '
    'Without --dry_run it writes a folder of files and runs the commands that '
    'it prints.',
  )
  parser.usage = f'{parser.prog} TARGET [flags] -- COMMAND flags of the command'
  add = parser.add_argument
  add('target', metavar='TARGET', choices=_TARGETS, help=', '.join(_TARGETS))
  add('--name', default='flan', help='name of the job (default: flan)')
  add('--hardware', help='instead of HARDWARE, such as v5e:4x4 or h100:16')
  add('--out', metavar='DIR', help='folder of the files (default: launch-NAME)')
  add('--setup', help='shell commands that each machine runs first')
  add(
    '--package',
    default=_PACKAGE,
    help='cloud_tpu: what is installed without --setup, as for pip, or a wheel '
    f'gs://… (default: {_PACKAGE})',
  )
  add(
    '--restarts',
    type=integer(CountOrZero),
    default=20,
    help='starts after the first (20)',
  )
  add('--price_per_chip_hour', type=_price, help='US dollars (default: listed)')
  add(
    '--spot', action='store_true', help='TPUs that may be taken away, cheaper'
  )
  add('--zone', help='cloud_tpu: zone of the TPUs')
  add('--project', help="cloud_tpu: project that pays (default: gcloud's)")
  add('--service_account', help='cloud_tpu, gke: account of the machines')
  add('--image', help='gke: container image with flan_jax')
  add('--gpus_per_node', type=integer(), default=8, help='slurm: of a node (8)')
  add(
    '--sbatch',
    action='append',
    default=[],
    metavar='NAME=VALUE',
    help='slurm: option of sbatch, such as time=24:00:00; may be repeated',
  )
  add(
    '--dry_run', action='store_true', help='print all files and commands only'
  )
  return parser


def _price(text: str) -> float:
  with contextlib.suppress(ValueError):
    if 0 <= (price := float(text)) < math.inf:
      return price
  raise argparse.ArgumentTypeError(f'{text!r} is not a price in dollars')
