"""Adafactor over a model whose layers are stacked."""

from collections.abc import Sequence
import dataclasses
import re
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec
import numpy as np
import optax

from flan_jax.sharding import rules

# The entry of the parameters that holds all layers, stacked.
_STACKED = 'layers'


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
  """Adafactor. FLAN trains with it at 3e-5 for 30,000 steps.

  The rate is FLAN's; decay, clipping by root mean square, parameter scale and
  factoring are Adafactor's usual ones. FLAN does not say how it clips the
  gradient's norm or whether it warms up.

  Attributes:
    learning_rate: Constant, reached after the warm-up. With
      `multiply_by_parameter_scale` it is relative to a parameter's root mean
      square.
    warmup_steps: Steps over which the rate grows linearly to its value.
    decay_rate: Exponent of the second moment's decay, 1 - step ** -decay_rate.
    clipping_threshold: Largest root mean square of the update of one parameter
      of one layer; None for no limit.
    multiply_by_parameter_scale: Whether an update is scaled by the root mean
      square of its parameter (at least 1e-3).
    min_dim_size_to_factor: Smallest size of the two largest dimensions of a
      parameter for which the second moment is kept as rows and columns only.
    weight_decay: Share of a parameter that a step removes, not multiplied by
      the rate; None for none.
    gradient_clip_norm: Largest norm of the whole gradient; None for no limit.
    frozen: Regular expressions; parameters whose whole name one of them matches
      ('layers/query', 'embedding', 'layers/.*') stay as they are, and have
      neither gradient nor optimizer state.
  """

  learning_rate: float = 3e-5
  warmup_steps: int = 0
  decay_rate: float = 0.8
  clipping_threshold: float | None = 1.0
  multiply_by_parameter_scale: bool = True
  min_dim_size_to_factor: int = 128
  weight_decay: float | None = None
  gradient_clip_norm: float | None = 1.0
  frozen: tuple[str, ...] = ()

  def __post_init__(self):
    if self.learning_rate <= 0:
      raise ValueError(
        f'learning_rate must be positive, not {self.learning_rate!r}.'
      )
    if self.warmup_steps < 0:
      raise ValueError(
        f'warmup_steps must not be negative, not {self.warmup_steps!r}.'
      )
    if isinstance(self.frozen, str):
      raise ValueError(f'frozen is a list of expressions, not {self.frozen!r}.')
    # Gin and JSON make lists.
    object.__setattr__(self, 'frozen', tuple(self.frozen))
    for pattern in self.frozen:
      try:
        re.compile(pattern)
      except re.error as error:
        raise ValueError(
          f'frozen: {pattern!r} is no regular expression: {error}.'
        ) from error


def make_optimizer(config: OptimizerConfig) -> optax.GradientTransformation:
  """Clips the gradient's norm, then applies Adafactor layer by layer.

  Adafactor measures root mean squares per parameter and factors its two largest
  dimensions. Both must see one layer at a time, or training would depend on
  layers being stacked; so it is mapped over the stack.
  """
  adafactor = optax.adafactor(
    learning_rate=_schedule(config),
    min_dim_size_to_factor=config.min_dim_size_to_factor,
    decay_rate=config.decay_rate,
    multiply_by_parameter_scale=config.multiply_by_parameter_scale,
    clipping_threshold=config.clipping_threshold,
    weight_decay_rate=config.weight_decay,
  )
  transformation = over_layers(adafactor)
  if config.gradient_clip_norm is not None:
    clip = optax.clip_by_global_norm(config.gradient_clip_norm)
    transformation = optax.chain(clip, transformation)
  return _of_trained(transformation, config.frozen)


def trained(params: Any, frozen: Sequence[str]) -> Any:
  """The parameters, or anything in their structure, that are trained.

  Args:
    params: Nested dictionary.
    frozen: See `OptimizerConfig`.

  Raises:
    ValueError: an expression matches no parameter, or all are frozen.
  """
  names = [*_rest(params), *(f'{_STACKED}/{name}' for name in params[_STACKED])]
  still = {
    pattern: {name for name in names if re.fullmatch(pattern, name)}
    for pattern in frozen
  }
  for pattern, matched in still.items():
    if not matched:
      raise ValueError(
        f'frozen: {pattern!r} matches no parameter; they are '
        f'{", ".join(sorted(names))}.'
      )
  kept = set(names).difference(*still.values())
  if not kept:
    raise ValueError('frozen: nothing is left to train.')
  chosen = {
    name: value for name, value in _rest(params).items() if name in kept
  }
  chosen[_STACKED] = {
    name: value
    for name, value in params[_STACKED].items()
    if f'{_STACKED}/{name}' in kept
  }
  return chosen


def with_trained(params: Any, changed: Any) -> Any:
  """The parameters with those of `trained` replaced."""
  stacked = {**params[_STACKED], **changed[_STACKED]}
  return {**params, **changed, _STACKED: stacked}


def _of_trained(transformation, frozen):
  """Takes all parameters, but gradients and updates of the trained ones."""

  def init(params):
    return transformation.init(trained(params, frozen))

  def update(updates, state, params):
    return transformation.update(updates, state, trained(params, frozen))

  return optax.GradientTransformation(init, update)


def over_layers(
  transformation: optax.GradientTransformation,
) -> optax.GradientTransformation:
  """Applies a transformation to each layer of the stack, and to the rest.

  The state is a dictionary with `stacked`, in which every array leads with the
  layer axis, and `rest`.
  """

  def init(params):
    stacked, rest = _split(params)
    of_stacked = jax.vmap(transformation.init)(stacked) if stacked else {}
    return {'stacked': of_stacked, 'rest': transformation.init(rest)}

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
  """The sharding of each array of the optimizer's state.

  A second moment lies like its parameter. A factored one lacks a dimension of
  the parameter, and its sharding lacks that dimension's mesh axes. Counters and
  the placeholders of what is not kept are replicated.

  Args:
    optimizer: From `make_optimizer`.
    abstract_params: Shapes of the parameters.
    param_shardings: A `NamedSharding` for each.

  Returns:
    In the structure of `optimizer.init(params)`.
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
  """The sharding of one moment of one parameter.

  Args:
    shape: Of the moment.
    param_shape: Of the parameter.
    sharding: Of the parameter.
    batch_dims: Leading dimensions that optax does not see.
    reduced: Which dimension the moment lacks, as a rank among the parameter's
      dimensions ordered by size (optax reduces the largest, -1, for rows and
      the next, -2, for columns); None if it lacks none.
  """
  spec = list(sharding.spec) + [None] * (len(param_shape) - len(sharding.spec))
  sizes = list(param_shape)
  if reduced is not None and len(sizes) - batch_dims >= 2:
    # As optax does it: a stable order would break ties differently.
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


def _schedule(config):
  """The rate by step; a function even if constant.

  So the state has the same structure with and without a warm-up.
  """

  def rate(step):
    warm = (step + 1) / max(config.warmup_steps, 1)
    return config.learning_rate * jnp.minimum(warm, 1.0)

  return rate
