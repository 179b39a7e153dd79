"""The directive `command-help`: what each command prints for `--help`."""

import contextlib
import io

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from flan_jax import cli


class CommandHelp(SphinxDirective):
  """A section for each command."""

  def run(self) -> list[nodes.Node]:
    return [_section(name) for name in cli.COMMANDS if name != 'help']


def _section(command: str) -> nodes.section:
  section = nodes.section(ids=[f'flan-jax-{command}'], names=[command])
  section += nodes.title(text=command)
  section += nodes.literal_block(text=_help(command), language='text')
  return section


def _help(command: str) -> str:
  with contextlib.redirect_stdout(io.StringIO()) as out:
    try:
      cli.main([command, '--help'])
    except SystemExit as stop:
      if stop.code:
        raise RuntimeError(f'{command} --help: {stop.code}') from stop
  return out.getvalue()


def setup(app: Sphinx) -> dict[str, bool]:
  """Adds the directive."""
  app.add_directive('command-help', CommandHelp)
  return {'parallel_read_safe': True}
