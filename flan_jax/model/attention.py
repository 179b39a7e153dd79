"""Visibility of keys to queries, and the reference implementation of attention.

Other implementations are tested against this one; `multihead.attend` chooses
among them.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from flan_jax.model import position

# Replaces the logits of hidden keys. It is finite because a padding query sees
# no key: its output is meaningless, but must not be NaN.
HIDDEN = -1e30


class AttentionContext(NamedTuple):
  """The inputs of attention other than queries, keys and values."""

  # Number of the packed example, from 1. 0 is padding, which neither sees nor
  # is seen.
  segments: Int[Array, 'B L']
  positions: Int[Array, 'B L']  # Position of each token in its own example.
  # 0 for the prompt, from 1 for the option branches that share it. None if
  # there are none; positions then rise by one from token to token.
  branches: Int[Array, 'B L'] | None = None
  # Bias per head and distance, from `position.distance_bias`.
  bias: Float[Array, 'H P'] | None = None
  # Bias of one block, from `block_attention.bias_table`; None with branches.
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
  `AttentionContext` describes segments and branches.
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
  product = functools.partial(jnp.einsum, preferred_element_type=jnp.float32)
  logits = product('BQKGh,BSKh->BKGQS', query, key_BxLxKxh)
  logits = logits * width**-0.5
  if context.bias is not None:
    bias = position.relative_bias(context.bias, context.positions)
    logits = logits + bias.reshape(logits.shape)
  visible = visible_keys(context.segments, context.branches)
  logits = jnp.where(visible[:, None, None], logits, HIDDEN)
  weights = jax.nn.softmax(logits, axis=-1).astype(value_BxLxKxh.dtype)
  mixed = jnp.einsum('BKGQS,BSKh->BQKGh', weights, value_BxLxKxh)
  return mixed.reshape(query_BxLxHxh.shape)
