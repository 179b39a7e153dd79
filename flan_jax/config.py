"""Gin at the edge: search paths, parsing, checks and the written record.

Library code takes arguments and works without gin. This module binds gin to
dataclasses and run functions.
"""

import ast
import dataclasses
import logging
import os
import pathlib
from typing import Any

import gin

from flan_jax import configurables, gin_files
from flan_jax.bindings import check_bindings, check_complete
from flan_jax.definitions import registry, template_set
from flan_jax.errors import ConfigError, nearest
from flan_jax.everyday_flags import EVAL, IMPORT, RUN_FILES
from flan_jax.flags import MODULES, Arguments
from flan_jax.runtime import user_modules
from flan_jax.runtime.paths import BUCKETS


def shipped_gin_dir() -> pathlib.Path:
  """Returns the folder of the shipped gin files.

  It is in the package when installed, and next to the package in a checkout.
  """
  package = pathlib.Path(__file__).resolve().parent
  installed = package / 'gin'
  return installed if installed.is_dir() else package.parent / 'gin'


def prepare(arguments: Arguments, run: str) -> None:
  """Registers the user's datasets, parses gin and applies the template set.

  Raises:
    UserError: There is a mistake in any of them.
  """
  registry.load(arguments.task_modules)
  parse(arguments, run)
  if arguments.template_set is not None:
    # After gin, because a gin file may register datasets.
    template_set.apply(arguments.template_set)


def check_callable(run: str) -> None:
  """Checks that gin gives a value to all that a call of a run function needs.

  It is not part of `prepare`: what only looks at settings needs not all files.

  Raises:
    ConfigError: The run file of the command, or that of a model, is missing.
  """
  files = {MODULES.get(name, name): file for name, file in RUN_FILES.items()}
  check_complete(run, files[run])


def import_models(arguments: Arguments, command: str) -> Arguments:
  """Imports a model that `--model` names, and returns the arguments with it.

  The checkpoint is kept in CACHE_DIR. `eval` evaluates it.

  Raises:
    UserError: There is no such model, or it cannot be imported.
  """
  files, bindings = list(arguments.gin_files), list(arguments.bindings)
  for place, name in enumerate(files):
    if name.startswith(IMPORT):
      # Loads JAX, and is rarely needed.
      from flan_jax.interop import base_model

      cache_dir = _written('CACHE_DIR', arguments)
      folder = base_model.locate_any(name.removeprefix(IMPORT), cache_dir)
      files[place] = os.path.join(folder, base_model.NAME)
      macros = {binding.partition(' =')[0] for binding in bindings}
      if command == EVAL and 'CHECKPOINT_PATH' not in macros:
        bindings.append(f'CHECKPOINT_PATH = {folder!r}')
  return dataclasses.replace(
    arguments, gin_files=tuple(files), bindings=tuple(bindings)
  )


def _written(macro: str, arguments: Arguments) -> Any:
  """Returns the value of a macro that the arguments set, before they are read.

  The value is a literal; that of a flag counts before those of files.
  """
  paths = [os.getcwd(), str(shipped_gin_dir()), *arguments.search_paths]
  found = {}
  for name in arguments.gin_files:
    if not name.startswith(IMPORT):
      found |= gin_files.macros_in(gin_files.find(name, paths), paths)
  for binding in arguments.bindings:
    name, _, value = binding.partition('=')
    found[name.strip()] = value.strip()
  try:
    return ast.literal_eval(found[macro])
  except (KeyError, ValueError, SyntaxError) as error:
    raise ConfigError(
      f'{macro} must be a path, to import a model: --gin.{macro}=DIR'
    ) from error


def parse(arguments: Arguments, run: str) -> None:
  """Parses gin files and bindings, and checks them for a run function.

  Later files override earlier ones, and bindings override files. The shipped
  run files hold defaults; they are read first, wherever they are named.

  Raises:
    ConfigError: A file is missing, a binding names nothing, a macro is
      misspelt, or a required macro is missing.
  """
  configurables.register()
  paths = [os.getcwd(), str(shipped_gin_dir()), *arguments.search_paths]
  files = [gin_files.find(name, paths) for name in arguments.gin_files]
  defaults = shipped_gin_dir() / 'runs'
  files.sort(key=lambda path: pathlib.Path(path).resolve().parent != defaults)
  for module, where in gin_files.imported(files, arguments.bindings, paths):
    user_modules.load(module, where)
  for path in paths[1:]:
    gin.add_config_file_search_path(path)
  # Gin logs an error for each folder that does not hold an included file.
  logging.disable(logging.ERROR)
  try:
    # Not finalized: gin would demand macros that this run never reads.
    gin.parse_config_files_and_bindings(
      files, list(arguments.bindings), finalize_config=False
    )
  except ValueError as error:
    message = ' '.join(str(error).split())
    raise ConfigError(f'{message}{_nearest_binding(str(error))}') from error
  finally:
    logging.disable(logging.NOTSET)
  check_bindings(run)


def _nearest_binding(message: str) -> str:
  """Returns a hint for gin's messages about unknown names."""
  for unknown in message.split("'")[1::2]:
    if hint := nearest(unknown.strip('@()'), configurables.known(), cutoff=0.6):
      return hint
  return ''


def bucket_paths() -> list[str]:
  """Returns the `gs://…` paths among the macros that were parsed."""
  found = []
  for (_, selector), values in gin.config._CONFIG.items():
    if selector == 'gin.macro':
      value = values.get('value')
      several = isinstance(value, tuple | list)
      found += list(value) if several else [value]
  return [x for x in found if isinstance(x, str) and x.startswith(BUCKETS)]
