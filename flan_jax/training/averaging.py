"""An exponential moving average of the trained parameters.

It is part of the optimizer's state, and an item of its own in a checkpoint.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from flan_jax.training.trained import with_trained


class AveragedState(NamedTuple):
  """The state of an optimizer that averages."""

  average: Any  # As the trained parameters.
  inner: Any  # State of the optimizer without an average.


def with_average(
  optimizer: optax.GradientTransformation, decay: float
) -> optax.GradientTransformation:
  """Returns the optimizer with an average in its state.

  The average starts as the initial parameters. After a step it is `decay` times
  what it was plus `1 - decay` times the new parameters.
  """

  def init(params):
    # Copies: the first step is given both, and writes over them.
    average = jax.tree.map(jnp.copy, params)
    return AveragedState(average, optimizer.init(params))

  def update(updates, state, params):
    updates, inner = optimizer.update(updates, state.inner, params)
    changed = optax.apply_updates(params, updates)
    average = optax.incremental_update(changed, state.average, 1 - decay)
    return updates, AveragedState(average, inner)

  return optax.GradientTransformation(init, update)


def averaged_params(state: Mapping[str, Any]) -> Any:
  """Returns the parameters of a train state, those trained averaged."""
  return with_trained(state['params'], state['opt_state'].average)
