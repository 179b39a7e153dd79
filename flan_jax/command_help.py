"""What `--help` and `flan-jax help` say about macros; needs no JAX."""

from collections.abc import Iterator, Sequence
import functools
import os

from flan_jax import config, gin_files, macros
from flan_jax.errors import ConfigError, nearest
from flan_jax.everyday_flags import RUN_FILES
from flan_jax.terminal.blocks import Block, Line, Paragraph, Row, Table, wrapped

# As argparse aligns the texts of flags.
_INDENT = ' ' * 24
_REQUIRED = '%gin.REQUIRED'


@functools.cache
def defaults(command: str) -> dict[str, str]:
  """Returns macro -> its value in the run file of a command, as written."""
  folder = str(config.shipped_gin_dir())
  path = os.path.join(folder, RUN_FILES[command])
  return gin_files.macros_in(path, [folder])


def macros_of(command: str) -> str:
  """Returns the macros that a command reads, as its help text shows them."""
  lines = wrapped(
    'macros, set by --gin.NAME=VALUE or in a gin file; defaults are those of '
    f'{RUN_FILES[command]}:'
  )
  for name, default in sorted(defaults(command).items()):
    if name not in macros.MACROS:
      continue
    meaning = macros.MACROS[name].meaning
    text = f'{meaning}: {macros.values()[name]}; {_default(default)}'
    first, *rest = wrapped(text, _INDENT)
    start = f'  {name}'
    if len(start) + 2 <= len(_INDENT):
      lines.append(start + first[len(start) :])
    else:
      lines += [start, first]
    lines += rest
  return '\n'.join(lines)


def _default(value: str) -> str:
  return 'required' if value == _REQUIRED else f'default {value}'


def describe(names: Sequence[str]) -> list[Block]:
  """Returns what macros mean; of those that are named, also what they take.

  Raises:
    ConfigError: There is no such macro.
  """
  for name in names:
    if name not in macros.MACROS:
      raise ConfigError(f'no macro {name!r}{nearest(name, macros.MACROS)}')
  if not names:
    rows = [Row((name, m.meaning)) for name, m in macros.MACROS.items()]
    return [Table(('', ''), rows, ruled=False)]
  return [block for name in names for block in _described(name)]


def _described(name: str) -> Iterator[Block]:
  yield Line(name, 'bold')
  yield Paragraph(macros.MACROS[name].meaning, '  ')
  yield Paragraph(f'takes: {macros.values()[name]}', '  ')
  commands: dict[str, list[str]] = {}
  for command in RUN_FILES:
    if name in defaults(command):
      commands.setdefault(defaults(command)[name], []).append(command)
  for default, of in commands.items():
    yield Paragraph(f'{_default(default)} in {", ".join(of)}', '  ')
