"""The flags of `flan-jax compare`."""

from flan_jax.flags import FlagParser


def make_parser() -> FlagParser:
  """Returns the parser of the command."""
  parser = FlagParser(
    'compare',
    'Compares two evaluations of the same rows, pair by pair: differences by '
    'dataset and cluster with 95 % intervals, verdicts that are corrected for '
    'the number of comparisons, the smallest difference that the rows can '
    'show, and how probably another template reverses the sign.',
  )
  run = 'a MODEL_DIR, or the folder of an evaluation'
  parser.add_argument('run_a', metavar='RUN_A', help=run)
  parser.add_argument('run_b', metavar='RUN_B', help=run)
  parser.add_argument('--format', choices=('text', 'json'), default='text')
  parser.add_argument(
    '--template_set', help='the file of templates that both were asked with'
  )
  parser.add_task_module()
  return parser
