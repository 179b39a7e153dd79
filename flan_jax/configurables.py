"""The dataclasses and run functions that gin binds."""

import functools
import importlib
import inspect
from typing import Any

import gin

from flan_jax.setting_types import kinds_of

_PACKAGE = 'flan_jax.'
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


def register() -> None:
  """Registers dataclasses and run functions with gin, once."""
  for module, name in _CONFIGURABLES:
    if f'{_PACKAGE}{name}' not in gin.config._REGISTRY:
      gin.external_configurable(
        getattr(importlib.import_module(module), name),
        name=name,
        module='flan_jax',
      )
  for name in _RUNS:
    importlib.import_module(f'flan_jax.runs.{name}')


def known() -> list[str]:
  """Returns what is registered, by the names that gin files use."""
  registered = dict(gin.config._REGISTRY.items())
  return [name.removeprefix(_PACKAGE) for name in registered]


def kinds(selector: str) -> dict[str, Any]:
  """Returns the annotation of each parameter of a configurable.

  Args:
    selector: Its full name. Only this project's have checked annotations.
  """
  if not selector.startswith(_PACKAGE) or selector.count('.') != 1:
    return {}
  return kinds_of(gin.config._REGISTRY[selector].wrapped)


def needed(selector: str) -> list[str]:
  """Returns the parameters of a configurable that have no default.

  Args:
    selector: Its full name; one that is not this project's needs none.
  """
  if not kinds(selector):
    return []
  function = gin.config._REGISTRY[selector].wrapped
  parameters = inspect.signature(function).parameters.items()
  return [name for name, one in parameters if one.default is one.empty]


@functools.cache
def kind(parameter: str) -> Any:
  """Returns the annotation of a parameter, such as 'LoopConfig.train_steps'."""
  register()
  name, _, field = parameter.partition('.')
  return kinds(f'{_PACKAGE}{name}')[field]
