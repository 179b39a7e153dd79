"""Cross-entropy over the target tokens of a batch."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from flan_jax.model import prediction


class LossSums(NamedTuple):
  """Sums over the target tokens of a batch or of a part of it.

  Attributes:
    loss: Cross-entropy in nats, plus the z-loss.
    weight: Weight of the target tokens.
    correct: Weight of those whose label was the most probable token.
  """

  loss: Float[Array, '']
  weight: Float[Array, '']
  correct: Float[Array, '']


def cross_entropy(
  outputs: prediction.TargetOutputs,
  weights_BxT: Float[Array, 'B T'],
  z_loss: float = 0.0,
) -> LossSums:
  """Sums loss, weight and correct predictions over the targets.

  Args:
    outputs: The decoder's predictions of the targets.
    weights_BxT: 1 for a target, 0 for an unused slot.
    z_loss: Coefficient of the squared logarithm of the softmax denominator,
      which keeps logits from drifting; 0 for none.
  """
  loss_BxT = -outputs.log_probs
  if z_loss:
    loss_BxT = loss_BxT + z_loss * jnp.square(outputs.log_normalizers)
  return LossSums(
    loss=jnp.sum(loss_BxT * weights_BxT),
    weight=jnp.sum(weights_BxT),
    correct=jnp.sum(outputs.correct * weights_BxT),
  )
