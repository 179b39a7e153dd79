"""Log-probabilities of tokens, and of what the model would rather say."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from flan_jax.model import decoder, prediction
from flan_jax.model.decoder_config import DecoderConfig
from flan_jax.model.parameters import Params

# Targets of a row whose logits exist at the same time.
_BLOCK = 64


class Alternatives(NamedTuple):
  """Log-probabilities, in nats, of a token and of its likeliest alternatives.

  The first dimensions, here [B], are those of the tokens.
  """

  log_probs: Float[Array, ' B']  # Of the token itself.
  top_log_probs: Float[Array, 'B K']  # In falling order.
  top_tokens: Int[Array, 'B K']


def alternatives(
  logits_BxV: Float[Array, 'B V'],
  tokens_B: Int[Array, ' B'],
  count: int,
  vocab_size: int,
) -> Alternatives:
  """Returns what logits say of tokens.

  Args:
    logits_BxV: Logits; the first dimensions may be several.
    tokens_B: The tokens.
    count: Number of alternatives [K], the token itself among them if it is one
      of the likeliest.
    vocab_size: Ids from here on are no alternatives: they pad an embedding.
  """
  log_probs = jax.nn.log_softmax(logits_BxV, axis=-1)
  own = jnp.take_along_axis(log_probs, tokens_B[..., None], axis=-1)[..., 0]
  beyond_V = jnp.arange(log_probs.shape[-1]) >= vocab_size
  beyond_V = beyond_V.reshape((1,) * tokens_B.ndim + (-1,))
  top = jax.lax.top_k(jnp.where(beyond_V, -jnp.inf, log_probs), count)
  return Alternatives(own, *top)


def no_alternatives(shape: tuple[int, ...], count: int) -> Alternatives:
  """Returns zeros for tokens of a shape."""
  return Alternatives(
    jnp.zeros(shape, jnp.float32),
    jnp.zeros((*shape, count), jnp.float32),
    jnp.zeros((*shape, count), jnp.int32),
  )


def target_alternatives(
  config: DecoderConfig,
  params: Params,
  batch: decoder.Batch,
  count: int,
  vocab_size: int,
) -> Alternatives:
  """Returns the alternatives of every target label [B, T].

  Takes a batch as `target_outputs`, and the other arguments of `alternatives`.
  Logits of a few targets exist at a time.
  """
  hidden_BxLxD = decoder.hidden_states(config, params, batch)
  labels_BxT = jnp.asarray(batch['target_labels'])
  rows, targets = labels_BxT.shape
  block = math.gcd(targets, _BLOCK)

  def some(part):
    places_BxW, labels_BxW = part
    hidden_BxWxD = jnp.take_along_axis(
      hidden_BxLxD, places_BxW[:, :, None], axis=1
    )
    logits_BxWxV = prediction.target_logits(config, params, hidden_BxWxD)
    return alternatives(logits_BxWxV, labels_BxW, count, vocab_size)

  def in_blocks(values_BxT):
    return jnp.asarray(values_BxT).reshape(rows, -1, block).swapaxes(0, 1)

  found = jax.lax.map(
    some, (in_blocks(batch['target_positions']), in_blocks(labels_BxT))
  )

  def joined(values):
    values = values.swapaxes(0, 1)
    return values.reshape(rows, targets, *values.shape[3:])

  return Alternatives(*map(joined, found))
