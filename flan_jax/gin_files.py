"""Finds gin files and reads them through before gin does.

Gin would follow a circle of includes until the stack is full, and it reports
mistakes in several lines.
"""

from collections.abc import Iterable, Iterator, Sequence
import dataclasses
import os
import tokenize

from gin import config_parser

from flan_jax.errors import ConfigError

# What a parser of settings raises. Deeply nested brackets exhaust the stack.
_UNREADABLE = (
  ValueError,
  TypeError,  # A list as a key of a dictionary.
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
  files: Iterable[str], bindings: Iterable[str], paths: Sequence[str]
) -> Iterator[tuple[str, str]]:
  """Yields the modules that gin files and bindings import, and what does so.

  Args:
    files: Paths of gin files.
    bindings: Bindings of flags.
    paths: Folders of the files that they include.

  Raises:
    ConfigError: A file or binding cannot be read, an included file is missing,
      or files include each other in a circle.
  """
  for path in files:
    yield from _of_file(path, paths, ())
  for binding in bindings:
    name = binding.partition('=')[0].strip()[:80]
    yield from _of_text(binding, f'--gin.{name}', paths, ())


def macros_in(path: str, paths: Sequence[str]) -> dict[str, str]:
  """Returns macro -> its value, as a gin file and those it includes set it.

  Args:
    path: Path of the file.
    paths: Folders of the files that it includes.

  Raises:
    ConfigError: A file cannot be read.
  """
  found: dict[str, str] = {}
  with open(path, encoding='utf-8') as file:
    statements = _statements(file.read(), path, _Written())
  for statement in statements:
    if isinstance(statement, config_parser.IncludeStatement):
      found |= macros_in(find(statement.filename, paths), paths)
    elif isinstance(statement, config_parser.BindingStatement):
      if not statement.arg_name and not statement.scope:
        found[statement.selector] = repr(statement.value)
  return found


def _of_file(
  path: str, paths: Sequence[str], within: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
  """Yields what a file imports; `within` are those that include it."""
  chain = (*within, os.path.realpath(path))
  if chain[-1] in within:
    raise ConfigError(
      f'gin files include each other in a circle: {" -> ".join(chain)}'
    )
  try:
    with open(path, encoding='utf-8') as file:
      text = file.read()
  except UnicodeDecodeError as error:
    raise ConfigError(f'{path} is not a gin file: {error}') from error
  except OSError as error:
    raise ConfigError(f'cannot read {path}: {error.strerror}') from error
  yield from _of_text(text, path, paths, chain)


def _of_text(
  text: str, source: str, paths: Sequence[str], chain: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
  for statement in _statements(text, source):
    if isinstance(statement, config_parser.IncludeStatement):
      yield from _of_file(find(statement.filename, paths), paths, chain)
    elif isinstance(statement, config_parser.ImportStatement):
      if statement.module.partition('.')[0] != _DYNAMIC:
        line = statement.location.line_num
        yield statement.module, f'{source}, line {line}'


def _statements(
  text: str, source: str, delegate: config_parser.ParserDelegate | None = None
) -> list:
  try:
    return list(config_parser.ConfigParser(text, delegate or _Nothing()))
  except _UNREADABLE as error:
    line = getattr(error, 'lineno', None)
    place = f'{source}, line {line}' if line else source
    raise ConfigError(
      f'{place} is not as gin expects it: {_reason(error)}'
    ) from error


class _Nothing(config_parser.ParserDelegate):
  """Makes nothing of references; gin makes them later."""

  def configurable_reference(self, scoped_configurable_name, evaluate):
    return None

  def macro(self, macro_name):
    return None


@dataclasses.dataclass(frozen=True)
class _Reference:
  """A reference, which is shown as it is written."""

  text: str

  def __repr__(self) -> str:
    return self.text


class _Written(config_parser.ParserDelegate):
  """Keeps references as they are written."""

  def configurable_reference(self, scoped_configurable_name, evaluate):
    return _Reference(f'@{scoped_configurable_name}{"()" if evaluate else ""}')

  def macro(self, macro_name):
    return _Reference(f'%{macro_name}')


def _reason(error: Exception) -> str:
  if isinstance(error, RecursionError | MemoryError):
    return 'brackets are nested too deeply'
  reason = error.msg if isinstance(error, SyntaxError) else error.args[0]
  return ' '.join(str(reason).split())[:200]
