"""Gin at the edge: search paths, parsing, checks and the written record.

Library code takes arguments and works without gin. This module binds gin to
dataclasses and run functions.
"""

from collections.abc import Sequence
import importlib
import logging
import os
import pathlib
from typing import Any

import gin

from flan_jax.definitions import registry, template_set
from flan_jax.errors import ConfigError, nearest
from flan_jax.flags import Arguments
from flan_jax.macros import MACROS

_CONFIGURABLES = (
  ('flan_jax.cache.framing', 'CacheConfig'),
  ('flan_jax.batches.loader', 'PackingConfig'),
  ('flan_jax.evaluation.eval_config', 'EvalConfig'),
  ('flan_jax.evaluation.generation.sampling', 'Sampling'),
  ('flan_jax.evaluation.inference', 'Ending'),
  ('flan_jax.model.decoder_config', 'DecoderConfig'),
  ('flan_jax.serving.limits', 'Limits'),
  ('flan_jax.sharding.mesh', 'MeshConfig'),
  ('flan_jax.training.loop', 'LoopConfig'),
  ('flan_jax.training.optimizer', 'OptimizerConfig'),
)
_RUNS = (
  'cache',
  'train',
  'prompt_tune',
  'evaluate',
  'infer',
  'serve',
  'plan',
  'study',
  'study_cell',
  'study_prompt',
)

_MACRO = 'gin.macro'
_REQUIRED = 'gin.REQUIRED/gin.constant'


def shipped_gin_dir() -> pathlib.Path:
  """Returns the folder of the shipped gin files.

  It is in the package when installed, and next to the package in a checkout.
  """
  package = pathlib.Path(__file__).resolve().parent
  installed = package / 'gin'
  return installed if installed.is_dir() else package.parent / 'gin'


def register() -> None:
  """Registers dataclasses and run functions with gin, once."""
  for module, name in _CONFIGURABLES:
    if f'flan_jax.{name}' not in gin.config._REGISTRY:
      gin.external_configurable(
        getattr(importlib.import_module(module), name),
        name=name,
        module='flan_jax',
      )
  for name in _RUNS:
    importlib.import_module(f'flan_jax.runs.{name}')


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


def parse(arguments: Arguments, run: str) -> None:
  """Parses gin files and bindings, and checks them for a run function.

  Later files override earlier ones, and bindings override files. The shipped
  run files hold defaults; they are read first, wherever they are named.

  Raises:
    ConfigError: A file is missing, a binding names nothing, a macro is
      misspelt, or a required macro is missing.
  """
  register()
  paths = [os.getcwd(), str(shipped_gin_dir()), *arguments.search_paths]
  files = [_find(name, paths) for name in arguments.gin_files]
  defaults = shipped_gin_dir() / 'runs'
  files.sort(key=lambda path: pathlib.Path(path).resolve().parent != defaults)
  for path in paths[1:]:
    gin.add_config_file_search_path(path)
  # Gin logs an error for each folder that does not hold an included file.
  logging.disable(logging.ERROR)
  try:
    # Not finalized: gin would demand macros that this run never reads.
    gin.parse_config_files_and_bindings(
      files, list(arguments.bindings), finalize_config=False
    )
  except (ValueError, SyntaxError, OSError, ModuleNotFoundError) as error:
    raise ConfigError(f'{error}{_nearest_binding(str(error))}') from error
  finally:
    logging.disable(logging.NOTSET)
  check_macros()
  check_required(run)


def _find(name: str, paths: Sequence[str]) -> str:
  candidates = [name, *(os.path.join(path, name) for path in paths)]
  for candidate in candidates:
    if os.path.isfile(candidate):
      return candidate
  raise ConfigError(
    f'no gin file {name!r} in {", ".join(dict.fromkeys(paths))}; add its '
    'folder with --gin_search_paths'
  )


def _nearest_binding(message: str) -> str:
  """Returns a hint for gin's messages about unknown names."""
  registered = dict(gin.config._REGISTRY.items())
  known = [name.removeprefix('flan_jax.') for name in registered]
  for unknown in message.split("'")[1::2]:
    if hint := nearest(unknown.strip('@()'), known, cutoff=0.6):
      return hint
  return ''


def _references(value: Any) -> list[str]:
  """Returns the selectors that a bound value refers to."""
  return [
    found.scoped_selector for found in gin.config.iterate_references(value)
  ]


def check_macros() -> None:
  """Raises ConfigError for a macro that nothing reads or that is not set."""
  bindings = gin.config._CONFIG
  known = {scope for scope, selector in bindings if selector == _MACRO}
  read = {
    selector.removesuffix(f'/{_MACRO}')
    for selector in _references(bindings)
    if selector.endswith(f'/{_MACRO}')
  }
  for name in sorted(known - read - set(MACROS)):
    hint = nearest(name, read | set(MACROS))
    raise ConfigError(f'macro {name} is set, but nothing reads it{hint}')
  for name in sorted(read - known):
    raise ConfigError(f'macro {name} is read, but not set')


def check_required(run: str) -> None:
  """Raises ConfigError for missing macros that the run would read."""
  missing, todo, seen = [], [f'flan_jax.{run}'], set()
  while todo:
    selector = todo.pop()
    if selector in seen:
      continue
    seen.add(selector)
    for values in _values_of(selector):
      references = _references(values)
      if _REQUIRED in references and selector.endswith(_MACRO):
        missing.append(selector.removesuffix(f'/{_MACRO}'))
      todo += references
  if missing:
    missing.sort()
    lines = ''.join(f'  {n}: {MACROS.get(n, "required")}\n' for n in missing)
    raise ConfigError(
      f'these macros are required, but not set:\n{lines}'
      f'  set them as in --gin.{missing[0]}=VALUE or in a gin file'
    )


def _values_of(selector: str) -> list[Any]:
  """Returns the values bound to a configurable or macro."""
  scope, _, name = selector.rpartition('/')
  return [
    value
    for (bound_scope, bound), values in gin.config._CONFIG.items()
    if bound_scope == scope and (bound == name or bound.endswith(f'.{name}'))
    for value in values.values()
  ]
