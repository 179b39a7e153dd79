"""How the next token of an answer is drawn."""

from collections.abc import Sequence
import dataclasses
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int
import numpy as np

from flan_jax.setting_types import CountOrZero, Only, check_fields

# Below, logits that differ at all differ by so much that a draw takes the most
# probable token, and their quotients come near the end of float32.
LEAST_TEMPERATURE = 1e-6

_Temperature = Annotated[
  float,
  Only(
    f'0 for the most probable token, or a number of at least '
    f'{LEAST_TEMPERATURE}',
    lambda x: x == 0 or LEAST_TEMPERATURE <= x < 1e6,
  ),
]
_Mass = Annotated[
  float, Only('a number above 0 and at most 1', lambda x: 0 < x <= 1)
]


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

  temperature: _Temperature = 0.0
  top_k: CountOrZero = 0
  top_p: _Mass = 1.0
  seed: int = 0

  def __post_init__(self):
    check_fields(self)


class Draws(NamedTuple):
  """How the next token of each sequence of a batch is drawn."""

  temperature: Float[Array, ' B']
  top_k: Int[Array, ' B']
  top_p: Float[Array, ' B']
  seed: Int[Array, ' B']
  prompt: Int[Array, ' B']  # Number of the sequence's prompt.

  @classmethod
  def of(
    cls, samplings: Sequence[Sampling | None], prompts: Sequence[int]
  ) -> 'Draws':
    """Returns the draws of sequences; None stands for an idle one."""
    chosen = [sampling or Sampling() for sampling in samplings]
    return cls(
      np.array([s.temperature for s in chosen], np.float32),
      np.array([s.top_k for s in chosen], np.int32),
      np.array([s.top_p for s in chosen], np.float32),
      # Keys are made of 32 bits; a larger seed gives its lowest ones.
      np.array([s.seed & 0xFFFFFFFF for s in chosen], np.uint32),
      np.array(prompts, np.int32),
    )


def choose(
  draws: Draws, logits_BxV: Float[Array, 'B V'], places_B: Int[Array, ' B']
) -> Int[Array, ' B']:
  """Returns the next token of each sequence.

  Args:
    draws: How they are drawn.
    logits_BxV: Logits of all tokens; -inf for those that may not be drawn.
    places_B: Place of the token in the answer, from 0.
  """
  likeliest_B = _first_of_largest(logits_BxV)
  warm_B = draws.temperature > 0
  return jax.lax.cond(
    jnp.any(warm_B),
    lambda: jnp.where(warm_B, _drawn(draws, logits_BxV, places_B), likeliest_B),
    lambda: likeliest_B,
  )


def _first_of_largest(logits_BxV):
  """Returns what `argmax` does, which a CPU computes less fast; 0 for NaN."""
  largest_Bx1 = jnp.max(logits_BxV, axis=-1, keepdims=True)
  size = logits_BxV.shape[1]
  places_BxV = jnp.where(logits_BxV == largest_Bx1, jnp.arange(size), size)
  return (jnp.min(places_BxV, axis=-1) % size).astype(jnp.int32)


def _drawn(draws, logits_BxV, places_B):
  warm_B = draws.temperature > 0
  logits_BxV = logits_BxV / jnp.where(warm_B, draws.temperature, 1)[:, None]
  # Sorting the vocabulary costs more than a draw.
  logits_BxV = jax.lax.cond(
    jnp.any((draws.top_k > 0) | (draws.top_p < 1)),
    lambda: _likely(logits_BxV, draws.top_k, draws.top_p),
    lambda: logits_BxV,
  )

  def draw(logits_V, seed, prompt, place):
    key = jax.random.fold_in(jax.random.key(seed), prompt)
    return jax.random.categorical(jax.random.fold_in(key, place), logits_V)

  drawn_B = jax.vmap(draw)(logits_BxV, draws.seed, draws.prompt, places_B)
  return drawn_B.astype(jnp.int32)


def _likely(logits_BxV, top_k_B, top_p_B):
  """Keeps the tokens that `top_k` and then `top_p` leave of each sequence."""
  size = logits_BxV.shape[1]
  falling_BxV = jnp.sort(logits_BxV, axis=-1)[:, ::-1]
  count_B = jnp.where(top_k_B > 0, jnp.minimum(top_k_B, size), size)
  least_Bx1 = jnp.take_along_axis(falling_BxV, count_B[:, None] - 1, axis=1)
  # Tokens as probable as the least one are kept too.
  falling_BxV = jnp.where(falling_BxV < least_Bx1, -jnp.inf, falling_BxV)
  probability_BxV = jax.nn.softmax(falling_BxV, axis=-1)
  before_BxV = jnp.cumsum(probability_BxV, axis=-1) - probability_BxV
  # A sum may miss 1 by rounding, so 1 keeps all. Nothing precedes the first
  # token, so it is always kept.
  inside_BxV = (before_BxV < top_p_B[:, None]) | (top_p_B >= 1)[:, None]
  inside_BxV &= jnp.isfinite(falling_BxV)
  kept_BxV = jnp.where(inside_BxV, falling_BxV, jnp.inf)
  least_Bx1 = jnp.min(kept_BxV, axis=-1, keepdims=True)
  return jnp.where(logits_BxV < least_Bx1, -jnp.inf, logits_BxV)
