"""The part of the parameters that is trained, where others are frozen."""

from collections.abc import Sequence
import re
from typing import Any

from flan_jax.errors import ConfigError

# The entry of the parameters that holds all layers, stacked.
STACKED = 'layers'


def trained(params: Any, frozen: Sequence[str]) -> Any:
  """Returns the trained part of parameters, or of a tree of their structure.

  Args:
    params: The parameters.
    frozen: Regular expressions of the full names of parameters that are not
      trained, see `OptimizerConfig`.

  Raises:
    ConfigError: An expression matches no parameter, or all are frozen.
  """
  names = [*rest(params), *(f'{STACKED}/{name}' for name in params[STACKED])]
  still = {
    pattern: {name for name in names if re.fullmatch(pattern, name)}
    for pattern in frozen
  }
  for pattern, matched in still.items():
    if not matched:
      raise ConfigError(
        f'FROZEN: {pattern!r} matches no parameter; the parameters are '
        f'{", ".join(sorted(names))}'
      )
  kept = set(names).difference(*still.values())
  if not kept:
    raise ConfigError('FROZEN matches all parameters: leave some to train')

  def choose(tree, prefix=''):
    return {name: tree[name] for name in tree if prefix + name in kept}

  stacked = choose(params[STACKED], f'{STACKED}/')
  return {**choose(rest(params)), STACKED: stacked}


def with_trained(params: Any, changed: Any) -> Any:
  """Returns the parameters with those of `trained` replaced."""
  stacked = {**params[STACKED], **changed[STACKED]}
  return {**params, **changed, STACKED: stacked}


def like_trained(tree: Any, changed: Any) -> Any:
  """Returns the part of a tree that has the names of `changed`.

  >>> tree = {'norm': 1, 'embedding': 2, 'layers': {'up': 3, 'down': 4}}
  >>> like_trained(tree, {'norm': 0, 'layers': {'up': 0}})
  {'norm': 1, 'layers': {'up': 3}}
  """
  return {
    name: like_trained(tree[name], part)
    if isinstance(part, dict)
    else tree[name]
    for name, part in changed.items()
  }


def rest(tree: Any) -> Any:
  """Returns what is not stacked over layers."""
  return {name: value for name, value in tree.items() if name != STACKED}
