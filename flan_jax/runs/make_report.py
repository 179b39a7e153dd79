"""`flan-jax report`: makes a page of results, beside those of the paper."""

from collections.abc import Sequence

from flan_jax.command_flags.report_flags import make_parser
from flan_jax.definitions import registry
from flan_jax.errors import ConfigError
from flan_jax.report.document import make_document
from flan_jax.report.report_files import json_text, write_report
from flan_jax.report.sources import read_sources
from flan_jax.terminal.screen import show


def main(argv: Sequence[str]) -> int:
  """Runs the command with the given flags; returns its exit code.

  Raises:
    UserError: A flag is wrong, or a result cannot be read.
  """
  flags = make_parser().parse_args(argv)
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
