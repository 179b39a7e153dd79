"""`flan-jax report`: makes a page of results, beside those of the paper."""

from collections.abc import Sequence

from flan_jax.definitions import registry
from flan_jax.errors import ConfigError
from flan_jax.flags import FlagParser
from flan_jax.report.document import make_document
from flan_jax.report.report_files import json_text, write_report
from flan_jax.report.sources import read_sources
from flan_jax.terminal.screen import show


def main(argv: Sequence[str]) -> int:
  """Runs the command with the given flags; returns its exit code.

  Raises:
    UserError: A flag is wrong, or a result cannot be read.
  """
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
  flags = parser.parse_args(argv)
  if flags.out is None and flags.format != 'json':
    raise ConfigError('--out is missing: name the folder to write')
  registry.load(flags.task_module)
  document = make_document(read_sources(flags.results))
  if flags.out is not None:
    path = write_report(flags.out, document)
  if flags.format == 'json':
    print(json_text(document), end='')
  else:
    show([f'report: {path}'])
  return 0
