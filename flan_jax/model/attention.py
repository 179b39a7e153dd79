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
from flan_jax.model.decoder_config import DecoderConfig

# Replaces the logits of hidden keys. It is finite because a padding query sees
# no key: its output is meaningless, but must not be NaN.
HIDDEN = -1e30


class Trunk(NamedTuple):
  """Keys and values of tokens that precede every example of a batch.

  Their positions rise from 0; those of the examples go on from `length`.
  """

  keys: Float[Array, '*N P K h']  # Rotated by RoPE, if configured.
  values: Float[Array, '*N P K h']
  length: Int[Array, '']  # Tokens that are there; the others are padding.


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
  # Whether this layer has the window of the rule; None if all layers have it.
  windowed: Bool[Array, ''] | None = None
  # What precedes all examples, in this layer; None if nothing does.
  trunk: Trunk | None = None


class Rule(NamedTuple):
  """How a model makes attention logits of queries and keys; hashable."""

  scale: float  # Multiplies their products.
  softcap: float | None = None  # See `capped`.
  window: int | None = None  # Tokens that a query sees, itself among them.

  @classmethod
  def of(cls, config: DecoderConfig) -> 'Rule':
    """Returns the rule of a decoder."""
    width = config.query_scalar or config.head_dim
    return cls(width**-0.5, config.attention_softcap, config.window)


def capped(
  logits: Float[Array, '...'], softcap: float | None
) -> Float[Array, '...']:
  """Returns logits x kept below c as c tanh(x / c), or as they are."""
  return logits if softcap is None else softcap * jnp.tanh(logits / softcap)


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


def seen_keys(
  context: AttentionContext,
  rule: Rule,
  queries: slice = slice(None),
  keys: slice = slice(None),
) -> Bool[Array, 'B Q S']:
  """Returns the `visible_keys` within the window.

  It counts positions, not indices: options of a prompt restart after it.
  """
  visible = visible_keys(context.segments, context.branches, queries, keys)
  if rule.window is None:
    return visible
  places_BxL = context.positions
  distance = places_BxL[:, queries, None] - places_BxL[:, None, keys]
  return visible & is_near(distance, rule, context.windowed)


def seen_trunk(
  context: AttentionContext, rule: Rule, queries: slice = slice(None)
) -> Bool[Array, 'B Q P']:
  """Returns which keys of the trunk are seen; B = Q = 1 without a window."""
  index_P = jnp.arange(context.trunk.keys.shape[0])
  visible = (index_P < context.trunk.length)[None, None]
  if rule.window is None:
    return visible
  distance = context.positions[:, queries, None] - index_P[None, None]
  return visible & is_near(distance, rule, context.windowed)


def is_near(
  distance: Int[Array, '...'], rule: Rule, windowed: Bool[Array, ''] | None
) -> Bool[Array, '...']:
  """Returns whether keys at these distances are seen.

  Args:
    distance: Position of the query less that of the key.
    rule: A rule with a window.
    windowed: As in `AttentionContext`.
  """
  near = distance < rule.window
  return near if windowed is None else near | ~windowed


def attend_reference(
  query_BxLxHxh: Float[Array, 'B L H h'],
  key_BxLxKxh: Float[Array, 'B L K h'],
  value_BxLxKxh: Float[Array, 'B L K h'],
  context: AttentionContext,
  rule: Rule | None = None,
) -> Float[Array, 'B L H h']:
  """Scaled dot-product attention; query head i reads key head i * K // H.

  Logits and softmax are float32. Sums over keys are in the inputs' type.
  Without a rule, logits are divided by the square root of the head's width.
  """
  batch, length, heads, width = query_BxLxHxh.shape
  groups = heads // key_BxLxKxh.shape[2]
  query = query_BxLxHxh.reshape(batch, length, -1, groups, width)
  product = functools.partial(jnp.einsum, preferred_element_type=jnp.float32)
  rule = rule or Rule(width**-0.5)
  visible, places_BxS = seen_keys(context, rule), context.positions
  if context.trunk is not None:
    trunk, before = context.trunk, seen_trunk(context, rule)
    key_BxLxKxh = _after(trunk.keys, key_BxLxKxh)
    value_BxLxKxh = _after(trunk.values, value_BxLxKxh)
    places_BxS = _after(jnp.arange(len(trunk.keys)), places_BxS)
    before = jnp.broadcast_to(before, (*visible.shape[:2], before.shape[2]))
    visible = jnp.concatenate([before, visible], axis=2)
  logits = product('BQKGh,BSKh->BKGQS', query, key_BxLxKxh)
  logits = capped(logits * rule.scale, rule.softcap)
  if context.bias is not None:
    distance = context.positions[:, :, None] - places_BxS[:, None]
    bias = position.look_up(context.bias, distance)
    logits = logits + bias.reshape(logits.shape)
  logits = jnp.where(visible[:, None, None], logits, HIDDEN)
  weights = jax.nn.softmax(logits, axis=-1).astype(value_BxLxKxh.dtype)
  mixed = jnp.einsum('BKGQS,BSKh->BQKGh', weights, value_BxLxKxh)
  return mixed.reshape(query_BxLxHxh.shape)


def _after(shared, of_rows):
  """Puts what rows share [P, ...] before what each has [B, L, ...]."""
  shared = jnp.broadcast_to(shared, (len(of_rows), *shared.shape))
  return jnp.concatenate([shared, of_rows], axis=1)
