"""Visibility of keys to queries, and the reference implementation of attention.

Other implementations are tested against this one; `multihead.attend` chooses
among them.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from flan_jax.model import position

# Replaces the logits of hidden keys. It is finite because a padding query sees
# no key: its output is meaningless, but must not be NaN.
HIDDEN = -1e30


class AttentionContext(NamedTuple):
  """The inputs of attention other than queries, keys and values.

  Attributes:
    segments: Number of the packed example, from 1 [B, L]. 0 is padding, which
      neither sees nor is seen.
    positions: Position of each token in its own example [B, L].
    branches: 0 for the prompt, from 1 for the option branches that share it
      [B, L]. None if there are no branches; positions then rise by one from
      token to token within an example.
    bias: Bias per head and distance, from `position.distance_bias` [H, P]. None
      without a relative bias.
    bias_table: Bias of one block of queries, from `block_attention.bias_table`
      [H, Q, W]. None with branches.
  """

  segments: Int[Array, 'B L']
  positions: Int[Array, 'B L']
  branches: Int[Array, 'B L'] | None = None
  bias: Float[Array, 'H P'] | None = None
  bias_table: Float[Array, 'H Q W'] | None = None


def visible_keys(
  segments_BxL: Int[Array, 'B L'],
  branches_BxL: Int[Array, 'B L'] | None = None,
  queries: slice = slice(None),
  keys: slice = slice(None),
) -> Bool[Array, 'B Q S']:
  """Returns whether a query (second axis) sees a key (third axis).

  It does if both are in the same segment, the key does not come after the
  query, and the key belongs to the shared prompt or to the query's own branch.

  Args:
    segments_BxL: See `AttentionContext`.
    branches_BxL: See `AttentionContext`.
    queries: Indices of the queries; all by default.
    keys: Indices of the keys; all by default.
  """
  index_L = jnp.arange(segments_BxL.shape[1])
  visible = index_L[None, queries, None] >= index_L[None, None, keys]
  key = segments_BxL[:, None, keys]
  visible = visible & (segments_BxL[:, queries, None] == key) & (key > 0)
  if branches_BxL is not None:
    key = branches_BxL[:, None, keys]
    visible &= (key == 0) | (key == branches_BxL[:, queries, None])
  return visible


def attend_reference(
  query_BxLxHxh: Float[Array, 'B L H h'],
  key_BxLxKxh: Float[Array, 'B L K h'],
  value_BxLxKxh: Float[Array, 'B L K h'],
  context: AttentionContext,
) -> Float[Array, 'B L H h']:
  """Scaled dot-product attention; query head i reads key head i * K // H.

  Logits and softmax are float32. Sums over keys are in the inputs' type.
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
  if context.bias is not None:
    bias = position.relative_bias(context.bias, context.positions)
    logits = logits + bias.reshape(logits.shape)
  visible = visible_keys(context.segments, context.branches)
  logits = jnp.where(visible[:, None, None], logits, HIDDEN)
  weights = jax.nn.softmax(logits, axis=-1).astype(value_BxLxKxh.dtype)
  mixed = jnp.einsum('BKGQS,BSKh->BQKGh', weights, value_BxLxKxh)
  return mixed.reshape(query_BxLxHxh.shape)
