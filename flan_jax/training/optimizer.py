"""Adafactor over a model whose layers are stacked."""

from collections.abc import Sequence
import dataclasses
import functools
import re
from typing import Annotated, Any

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec
import numpy as np
import optax

from flan_jax.errors import ConfigError
from flan_jax.setting_types import (
  Count,
  CountOrZero,
  NotNegative,
  Only,
  Positive,
  check_fields,
)
from flan_jax.sharding import rules

# The entry of the parameters that holds all layers, stacked.
_STACKED = 'layers'


def _compiles(pattern: str) -> bool:
  try:
    re.compile(pattern)
  except (re.error, OverflowError, RecursionError):
    return False
  return True


_Patterns = Annotated[
  Sequence[Annotated[str, Only('a regular expression', _compiles)]],
  Only('a list of regular expressions', lambda patterns: True),
]


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
  """Adafactor, as FLAN uses it.

  The learning rate is FLAN's; most other values are Adafactor's usual ones. The
  paper states neither the schedule of the rate nor whether it is relative to a
  parameter, nor how the gradient is clipped: these are our choices.

  Attributes:
    learning_rate: Constant, reached after the warm-up. With
      `multiply_by_parameter_scale` it is relative to the root mean square of a
      parameter.
    warmup_steps: Steps in which the rate grows linearly to its value.
    decay_rate: Exponent of the second moment's decay, 1 - step ** -decay_rate.
    clipping_threshold: Maximum root mean square of the update of one parameter
      of one layer; None for no limit.
    multiply_by_parameter_scale: Whether to scale an update by the root mean
      square of its parameter (at least 1e-3).
    min_dim_size_to_factor: The second moment of a parameter is stored as rows
      and columns if its two largest dimensions are at least this large.
    weight_decay: Share of a parameter that a step removes, not multiplied by
      the rate; None for none.
    gradient_clip_norm: Maximum norm of the whole gradient; None for no limit.
    frozen: Regular expressions. Parameters whose full name matches one of them
      ('layers/query', 'embedding', 'layers/.*') do not change and have no
      gradient and no optimizer state.
  """

  learning_rate: Positive = 3e-5
  warmup_steps: CountOrZero = 0
  decay_rate: Positive = 0.8
  clipping_threshold: Positive | None = 1.0
  multiply_by_parameter_scale: bool = True
  min_dim_size_to_factor: Count = 128
  weight_decay: NotNegative | None = None
  gradient_clip_norm: Positive | None = 1.0
  frozen: _Patterns = ()

  def __post_init__(self):
    check_fields(self)
    # Gin and JSON make lists.
    object.__setattr__(self, 'frozen', tuple(self.frozen))


def learning_rate(config: OptimizerConfig, step: int | jax.Array) -> jax.Array:
  """Returns the learning rate of a step, counted from 1."""
  warm = step / max(config.warmup_steps, 1)
  return config.learning_rate * jnp.minimum(warm, 1.0)


@functools.lru_cache(maxsize=4)
def make_optimizer(config: OptimizerConfig) -> optax.GradientTransformation:
  """Returns Adafactor, applied layer by layer after clipping the gradient.

  Adafactor measures root mean squares per parameter and factors its two largest
  dimensions, so training would otherwise depend on whether layers are stacked.
  Equal configurations give the same object, which `make_train_step` recognizes.
  """

  adafactor = optax.adafactor(
    # A function even if constant, so that the state has the same structure with
    # and without a warm-up. Optax counts steps from 0.
    learning_rate=lambda step: learning_rate(config, step + 1),
    min_dim_size_to_factor=config.min_dim_size_to_factor,
    decay_rate=config.decay_rate,
    multiply_by_parameter_scale=config.multiply_by_parameter_scale,
    clipping_threshold=config.clipping_threshold,
    weight_decay_rate=config.weight_decay,
  )
  transformation = _over_layers(adafactor)
  if config.gradient_clip_norm is not None:
    clip = optax.clip_by_global_norm(config.gradient_clip_norm)
    transformation = optax.chain(clip, transformation)
  return _of_trained(transformation, config.frozen)


def trained(params: Any, frozen: Sequence[str]) -> Any:
  """Returns the trained part of parameters, or of a tree of their structure.

  Raises:
    ConfigError: An expression matches no parameter, or all are frozen.
  """
  names = [*_rest(params), *(f'{_STACKED}/{name}' for name in params[_STACKED])]
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

  stacked = choose(params[_STACKED], f'{_STACKED}/')
  return {**choose(_rest(params)), _STACKED: stacked}


def with_trained(params: Any, changed: Any) -> Any:
  """Returns the parameters with those of `trained` replaced."""
  stacked = {**params[_STACKED], **changed[_STACKED]}
  return {**params, **changed, _STACKED: stacked}


def _of_trained(transformation, frozen):

  def init(params):
    return transformation.init(trained(params, frozen))

  def update(updates, state, params):
    return transformation.update(updates, state, trained(params, frozen))

  return optax.GradientTransformation(init, update)


def _over_layers(transformation):
  """Applies a transformation to each layer of the stack, and to the rest."""

  def init(params):
    stacked, rest = _split(params)
    layers = jax.vmap(transformation.init)(stacked) if stacked else {}
    return {'stacked': layers, 'rest': transformation.init(rest)}

  def update(updates, state, params=None):
    stacked_updates, rest_updates = _split(updates)
    stacked_params, rest_params = _split(params)
    stacked, stacked_state = {}, {}
    if stacked_updates:
      stacked, stacked_state = jax.vmap(transformation.update)(
        stacked_updates, state['stacked'], stacked_params
      )
    rest, rest_state = transformation.update(
      rest_updates, state['rest'], rest_params
    )
    new_state = {'stacked': stacked_state, 'rest': rest_state}
    return {**rest, _STACKED: stacked}, new_state

  return optax.GradientTransformation(init, update)


def optimizer_sharding(
  optimizer: optax.GradientTransformation,
  abstract_params: Any,
  param_shardings: Any,
) -> Any:
  """Returns the sharding of each array of the optimizer's state.

  A second moment is sharded like its parameter. A factored one lacks one of the
  parameter's dimensions, and the mesh axes of that dimension. Counters and
  placeholders are replicated.

  Args:
    optimizer: From `make_optimizer`.
    abstract_params: Shapes of the parameters.
    param_shardings: A `NamedSharding` for each parameter.
  """
  mesh = jax.tree.leaves(param_shardings)[0].mesh
  state = jax.eval_shape(optimizer.init, abstract_params)
  parts = {
    'stacked': (abstract_params[_STACKED], param_shardings[_STACKED], 1),
    'rest': (*(_split(t)[1] for t in (abstract_params, param_shardings)), 0),
  }

  def moments(path, node):
    if not isinstance(node, optax.FactoredState):
      return rules.replicated(mesh)
    part = next(p.key for p in path if getattr(p, 'key', None) in parts)
    params, shardings, batch_dims = parts[part]

    def like(moment, reduced):
      return jax.tree.map(
        lambda leaf, param, sharding: _moment_sharding(
          leaf.shape, param.shape, sharding, batch_dims, reduced
        ),
        moment,
        # Frozen parameters have no moments.
        {name: params[name] for name in moment},
        {name: shardings[name] for name in moment},
      )

    return optax.FactoredState(
      count=rules.replicated(mesh),
      v_row=like(node.v_row, reduced=-1),
      v_col=like(node.v_col, reduced=-2),
      v=like(node.v, reduced=None),
    )

  return jax.tree_util.tree_map_with_path(
    moments, state, is_leaf=lambda n: isinstance(n, optax.FactoredState)
  )


def _moment_sharding(shape, param_shape, sharding, batch_dims, reduced):
  """Returns the sharding of one moment of one parameter.

  Optax does not see the first `batch_dims` dimensions, and reduces that whose
  rank in size is `reduced`: -1, the largest, for rows, -2 for columns, or None.
  """
  spec = list(sharding.spec) + [None] * (len(param_shape) - len(sharding.spec))
  sizes = list(param_shape)
  if reduced is not None and len(sizes) - batch_dims >= 2:
    # The same sort as in optax; a stable one would break ties differently.
    order = np.argsort(param_shape[batch_dims:])
    dropped = batch_dims + int(order[reduced])
    del spec[dropped], sizes[dropped]
  if tuple(sizes) != tuple(shape):
    return rules.replicated(sharding.mesh)
  return NamedSharding(sharding.mesh, PartitionSpec(*spec))


def _split(tree):
  return tree[_STACKED], _rest(tree)


def _rest(tree):
  return {name: value for name, value in tree.items() if name != _STACKED}
