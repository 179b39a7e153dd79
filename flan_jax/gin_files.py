"""Finds gin files and reads them through before gin does.

Gin would follow a circle of includes until the stack is full, and it reports
mistakes in several lines.
"""

from collections.abc import Iterable, Iterator, Sequence
import os
import tokenize

from gin import config_parser

from flan_jax.errors import ConfigError

# What a parser of settings raises. Deeply nested brackets exhaust the stack.
_UNREADABLE = (
  ValueError,
  SyntaxError,
  tokenize.TokenError,
  RecursionError,
  MemoryError,
)
_DYNAMIC = '__gin__'  # Its "imports" are switches of gin's.


def find(name: str, paths: Sequence[str]) -> str:
  """Returns the path of a gin file, which may be in one of some folders.

  Raises:
    ConfigError: There is none.
  """
  if '\0' not in name:
    for candidate in (name, *(os.path.join(path, name) for path in paths)):
      if os.path.isfile(candidate):
        return candidate
  raise ConfigError(
    f'no gin file {name!r} in {", ".join(dict.fromkeys(paths))}; add its '
    'folder with --gin_search_paths'
  )


def imported(
  files: Iterable[str], paths: Sequence[str], within: tuple[str, ...] = ()
) -> Iterator[tuple[str, str]]:
  """Yields the modules that gin files import, and the places that do.

  Args:
    files: Paths of gin files.
    paths: Folders of the files that they include.
    within: Files that include these, from the outermost.

  Raises:
    ConfigError: A file cannot be read, an included file is missing, or files
      include each other in a circle.
  """
  for path in files:
    chain = (*within, os.path.realpath(path))
    if chain[-1] in within:
      raise ConfigError(
        f'gin files include each other in a circle: {" -> ".join(chain)}'
      )
    for statement in _statements(path):
      if isinstance(statement, config_parser.IncludeStatement):
        yield from imported([find(statement.filename, paths)], paths, chain)
      elif isinstance(statement, config_parser.ImportStatement):
        if statement.module.partition('.')[0] != _DYNAMIC:
          line = statement.location.line_num
          yield statement.module, f'{path}, line {line}'


def check_binding(binding: str) -> None:
  """Raises ConfigError for a binding that is not written as gin expects."""
  try:
    list(config_parser.ConfigParser(binding, _Nothing()))
  except _UNREADABLE as error:
    name = binding.partition('=')[0].strip()
    raise ConfigError(
      f'--gin.{name} is not a setting that gin can read: {_reason(error)}'
    ) from error


class _Nothing(config_parser.ParserDelegate):
  """Makes nothing of references; gin makes them later."""

  def configurable_reference(self, scoped_configurable_name, evaluate):
    return None

  def macro(self, macro_name):
    return None


def _statements(path: str) -> list:
  try:
    with open(path, encoding='utf-8') as file:
      return list(config_parser.ConfigParser(file, _Nothing()))
  except UnicodeDecodeError as error:
    raise ConfigError(f'{path} is not a gin file: {error}') from error
  except OSError as error:
    raise ConfigError(f'cannot read {path}: {error.strerror}') from error
  except _UNREADABLE as error:
    line = getattr(error, 'lineno', None)
    place = f'{path}, line {line}' if line else path
    raise ConfigError(
      f'{place} is not as gin expects it: {_reason(error)}'
    ) from error


def _reason(error: Exception) -> str:
  if isinstance(error, RecursionError | MemoryError):
    return 'brackets are nested too deeply'
  reason = error.msg if isinstance(error, SyntaxError) else error.args[0]
  return ' '.join(str(reason).split())[:200]
