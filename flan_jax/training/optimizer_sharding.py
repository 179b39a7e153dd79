"""Where the arrays of an optimizer's state are."""

from typing import Any

import jax
from jax.sharding import NamedSharding, PartitionSpec
import numpy as np
import optax

from flan_jax.sharding import rules
from flan_jax.training.averaging import AveragedState
from flan_jax.training.trained import STACKED, like_trained, rest


def optimizer_sharding(
  optimizer: optax.GradientTransformation,
  abstract_params: Any,
  param_shardings: Any,
) -> Any:
  """Returns the sharding of each array of the optimizer's state.

  A moment or an average is sharded like its parameter. A factored moment lacks
  one of the parameter's dimensions, and the mesh axes of that dimension.
  Counters and placeholders are replicated.

  Args:
    optimizer: From `make_optimizer`.
    abstract_params: Shapes of the parameters.
    param_shardings: A `NamedSharding` for each parameter.
  """
  state = jax.eval_shape(optimizer.init, abstract_params)
  if isinstance(state, AveragedState):
    return AveragedState(
      like_trained(param_shardings, state.average),
      _inner_sharding(state.inner, abstract_params, param_shardings),
    )
  return _inner_sharding(state, abstract_params, param_shardings)


def _inner_sharding(state, abstract_params, param_shardings):
  """Returns the sharding of the state without an average."""
  mesh = jax.tree.leaves(param_shardings)[0].mesh
  parts = {
    'stacked': (abstract_params[STACKED], param_shardings[STACKED], 1),
    'rest': (rest(abstract_params), rest(param_shardings), 0),
  }
  kinds = (optax.FactoredState, optax.ScaleByAdamState)

  def moments(path, node):
    if not isinstance(node, kinds):
      return rules.replicated(mesh)
    part = next(p.key for p in path if getattr(p, 'key', None) in parts)
    params, shardings, batch_dims = parts[part]

    def like(moment, reduced=None):
      return jax.tree.map(
        lambda leaf, param, sharding: _moment_sharding(
          leaf.shape, param.shape, sharding, batch_dims, reduced
        ),
        moment,
        # Frozen parameters have no moments.
        like_trained(params, moment),
        like_trained(shardings, moment),
      )

    count = rules.replicated(mesh)
    if isinstance(node, optax.ScaleByAdamState):
      return optax.ScaleByAdamState(count, like(node.mu), like(node.nu))
    return optax.FactoredState(
      count, like(node.v_row, -1), like(node.v_col, -2), like(node.v)
    )

  return jax.tree_util.tree_map_with_path(
    moments, state, is_leaf=lambda n: isinstance(n, kinds)
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
