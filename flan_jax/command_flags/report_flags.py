"""The flags of `flan-jax report`."""

from flan_jax.flags import FlagParser


def make_parser() -> FlagParser:
  """Returns the parser of the command."""
  parser = FlagParser(
    'report',
    'Makes a page of results that opens from disk, and the same as Markdown, '
    'CSV, JSON and pictures.',
  )
  add = parser.add_argument
  add(
    'results',
    nargs='+',
    metavar='RESULTS',
    help='a MODEL_DIR, the folder of an evaluation, a study.json or a '
    'STUDY_DIR; any mixture of them',
  )
  add('--out', help='folder to write')
  add(
    '--format',
    choices=('text', 'json'),
    default='text',
    help='json: print the data of the report; --out may then be absent',
  )
  parser.add_task_module()
  return parser
