"""Who sees whom, and attention over what is seen."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

# Added to the logits of hidden keys. Finite, so that a padding query, which
# sees no key, yields a meaningless number and not NaN; nothing reads it.
_HIDDEN = -1e30


def visible_keys(
  segments_BxL: Int[Array, 'B L'],
  branches_BxL: Int[Array, 'B L'] | None = None,
) -> Bool[Array, 'B L L']:
  """Whether a query (second axis) sees a key (third axis).

  It does if both lie in the same segment, the key does not come after the
  query, and the key belongs to the shared prompt or to the query's own branch.

  Args:
    segments_BxL: Number of the packed example from 1; 0 is padding, which
      neither sees nor is seen.
    branches_BxL: 0 for the prompt, from 1 for the option branches that share
      it; None if there are none.
  """
  length = segments_BxL.shape[1]
  causal = jnp.tril(jnp.ones((1, length, length), bool))
  query, key = segments_BxL[:, :, None], segments_BxL[:, None, :]
  visible = causal & (query == key) & (key > 0)
  if branches_BxL is not None:
    query, key = branches_BxL[:, :, None], branches_BxL[:, None, :]
    visible &= (key == 0) | (key == query)
  return visible


def attend(
  query_BxLxHxh: Float[Array, 'B L H h'],
  key_BxLxKxh: Float[Array, 'B L K h'],
  value_BxLxKxh: Float[Array, 'B L K h'],
  visible_BxLxL: Bool[Array, 'B L L'],
  bias_BxHxLxL: Float[Array, 'B H L L'] | None = None,
) -> Float[Array, 'B L H h']:
  """Scaled dot-product attention; query head i reads key head i * K // H.

  Logits and softmax are float32, the sums over keys are in the inputs' type.
  """
  batch, length, heads, width = query_BxLxHxh.shape
  groups = heads // key_BxLxKxh.shape[2]
  query = query_BxLxHxh.reshape(batch, length, -1, groups, width)
  logits = jnp.einsum(
    'BQKGh,BSKh->BKGQS',
    query,
    key_BxLxKxh,
    preferred_element_type=jnp.float32,
  )
  logits = logits * width**-0.5
  if bias_BxHxLxL is not None:
    logits = logits + bias_BxHxLxL.reshape(logits.shape)
  logits = jnp.where(visible_BxLxL[:, None, None], logits, _HIDDEN)
  weights = jax.nn.softmax(logits, axis=-1).astype(value_BxLxKxh.dtype)
  mixed = jnp.einsum('BKGQS,BSKh->BQKGh', weights, value_BxLxKxh)
  return mixed.reshape(query_BxLxHxh.shape)
