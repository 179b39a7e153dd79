"""Imports modules that a user names, from the working directory too.

The console script does not have the working directory on its path, and it
should not: a file there, such as `optax.py`, would hide or replace a package.
So only a module that is named and not installed is found there.
"""

import importlib
import importlib.abc
import importlib.machinery
import os
import sys
import traceback

from flan_jax.errors import ConfigError, UserError


class _WorkingDirectory(importlib.abc.MetaPathFinder):
  """Finds named top-level modules in the working directory."""

  def __init__(self):
    self.names = set()

  def find_spec(self, fullname, path=None, target=None):
    if path is not None or fullname not in self.names:
      return None
    return importlib.machinery.PathFinder.find_spec(fullname, [os.getcwd()])


_FINDER = _WorkingDirectory()


def load(module: str, where: str) -> None:
  """Imports a module of the user.

  Args:
    module: Such as 'my_lab.tasks'.
    where: What names it, for errors.

  Raises:
    ConfigError: There is no such module, or it raises an exception; names the
      exception and the line.
    UserError: The module raises one.
  """
  if not all(part.isidentifier() for part in module.split('.')):
    raise ConfigError(
      f'{where} names {module!r}: write a module as Python does, such as '
      'my_lab.tasks'
    )
  _FINDER.names.add(module.partition('.')[0])
  if _FINDER not in sys.meta_path:
    sys.meta_path.append(_FINDER)  # Last, after everything that is installed.
  importlib.invalidate_caches()
  try:
    importlib.import_module(module)
  except UserError:
    raise
  except ModuleNotFoundError as error:
    if error.name is None or not f'{module}.'.startswith(f'{error.name}.'):
      raise _failed(module, where, error) from error
    raise ConfigError(
      f'{where} names {module}: there is no module {error.name} installed or '
      f'in {os.getcwd()}'
    ) from error
  except (Exception, SystemExit) as error:
    raise _failed(module, where, error) from error


def _failed(module: str, where: str, error: BaseException) -> ConfigError:
  """Returns an error that says what a module raised, and in which line."""
  if isinstance(error, SyntaxError):
    place, what = f'{error.filename}, line {error.lineno}', error.msg
  else:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f'{frame.filename}, line {frame.lineno}'
    what = ' '.join(str(error).split())
  return ConfigError(
    f'{where} names {module}, which cannot be imported: '
    f'{type(error).__name__}: {what} ({place}); --debug shows the traceback'
  )
