"""Which token comes next."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


@dataclasses.dataclass(frozen=True)
class Sampling:
  """How a token is drawn.

  Attributes:
    temperature: Logits are divided by it; 0 takes the most probable token.
    top_k: Only so many of the most probable tokens; 0 for all.
    top_p: Only the most probable tokens that make up this probability (Holtzman
      et al., 2020), at least one; 1 for all. After `top_k`.
    seed: With a prompt's number and the token's place it decides each draw, so
      draws do not depend on the batch.
  """

  temperature: float = 0.0
  top_k: int = 0
  top_p: float = 1.0
  seed: int = 0

  def __post_init__(self):
    if self.temperature < 0:
      raise ValueError(
        f'temperature must not be negative, not {self.temperature!r}.'
      )
    if self.top_k < 0:
      raise ValueError(f'top_k must not be negative, not {self.top_k!r}.')
    if not 0 < self.top_p <= 1:
      raise ValueError(f'top_p must be in (0, 1], not {self.top_p!r}.')


def choose(
  sampling: Sampling,
  logits_BxV: Float[Array, 'B V'],
  prompts_B: Int[Array, ' B'],
  places_B: Int[Array, ' B'],
) -> Int[Array, ' B']:
  """The next token of each sequence.

  Args:
    sampling: How it is drawn.
    logits_BxV: Of all tokens; -inf for those that may not come.
    prompts_B: Number of each sequence's prompt.
    places_B: Place of the token among those that are generated, from 0.
  """
  if sampling.temperature == 0:
    return jnp.argmax(logits_BxV, axis=-1).astype(jnp.int32)
  logits_BxV = logits_BxV / sampling.temperature
  if sampling.top_k:
    top_k = min(sampling.top_k, logits_BxV.shape[1])
    least_Bx1 = jax.lax.top_k(logits_BxV, top_k)[0][:, -1:]
    logits_BxV = jnp.where(logits_BxV < least_Bx1, -jnp.inf, logits_BxV)
  if sampling.top_p < 1:
    logits_BxV = _nucleus(logits_BxV, sampling.top_p)

  def draw(logits_V, prompt, place):
    key = jax.random.fold_in(jax.random.key(sampling.seed), prompt)
    return jax.random.categorical(jax.random.fold_in(key, place), logits_V)

  return jax.vmap(draw)(logits_BxV, prompts_B, places_B).astype(jnp.int32)


def _nucleus(logits_BxV, top_p):
  """Leaves the most probable tokens whose probabilities reach `top_p`."""
  falling_BxV = jnp.sort(logits_BxV, axis=-1)[:, ::-1]
  probability_BxV = jax.nn.softmax(falling_BxV, axis=-1)
  before_BxV = jnp.cumsum(probability_BxV, axis=-1) - probability_BxV
  # The first token has nothing before it, and is always kept.
  kept_BxV = before_BxV < top_p
  least_Bx1 = jnp.min(
    jnp.where(kept_BxV, falling_BxV, jnp.inf), axis=-1, keepdims=True
  )
  return jnp.where(logits_BxV < least_Bx1, -jnp.inf, logits_BxV)
