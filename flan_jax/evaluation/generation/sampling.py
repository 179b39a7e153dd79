"""How the next token of an answer is drawn."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from flan_jax.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Sampling:
  """How a token is drawn.

  Attributes:
    temperature: Divides the logits; 0 takes the most probable token.
    top_k: Number of most probable tokens to draw from; 0 for all.
    top_p: Draws from the most probable tokens that together reach this
      probability (Holtzman et al., 2020), at least one; 1 for all. Applied
      after `top_k`.
    seed: Each draw depends only on this seed, the prompt's number and the
      token's place, not on the batch.
  """

  temperature: float = 0.0
  top_k: int = 0
  top_p: float = 1.0
  seed: int = 0

  def __post_init__(self):
    if self.temperature < 0:
      raise ConfigError(
        f'TEMPERATURE must not be negative, not {self.temperature!r}'
      )
    if self.top_k < 0:
      raise ConfigError(f'TOP_K must not be negative, not {self.top_k!r}')
    if not 0 < self.top_p <= 1:
      raise ConfigError(f'TOP_P must be in (0, 1], not {self.top_p!r}')


def choose(
  sampling: Sampling,
  logits_BxV: Float[Array, 'B V'],
  prompts_B: Int[Array, ' B'],
  places_B: Int[Array, ' B'],
) -> Int[Array, ' B']:
  """Returns the next token of each sequence.

  Args:
    sampling: How it is drawn.
    logits_BxV: Logits of all tokens; -inf for those that may not be drawn.
    prompts_B: Number of each sequence's prompt.
    places_B: Place of the token in the answer, from 0.
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
  """Keeps the most probable tokens whose probabilities reach `top_p`."""
  falling_BxV = jnp.sort(logits_BxV, axis=-1)[:, ::-1]
  probability_BxV = jax.nn.softmax(falling_BxV, axis=-1)
  before_BxV = jnp.cumsum(probability_BxV, axis=-1) - probability_BxV
  # Nothing precedes the first token, so it is always kept.
  kept_BxV = jnp.where(before_BxV < top_p, falling_BxV, jnp.inf)
  least_Bx1 = jnp.min(kept_BxV, axis=-1, keepdims=True)
  return jnp.where(logits_BxV < least_Bx1, -jnp.inf, logits_BxV)
