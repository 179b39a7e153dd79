"""Attention to what precedes every example of a batch, a trunk.

Its keys and values exist once. They are broadcast over rows by the products,
and the result is joined with attention to the rows' own keys.
"""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from flan_jax.model import position
from flan_jax.model.attention import (
  HIDDEN,
  AttentionContext,
  Rule,
  capped,
  seen_trunk,
)

# Logits of a block of queries: they fit a CPU's cache.
_BLOCK = 2**20
_LEAST_QUERIES = 32


def attend_further(
  query: Float[Array, 'B K G L h'],
  own: tuple[Float[Array, 'B K G L h'], Float[Array, 'B K G L']],
  bias_HxD: Float[Array, 'H D'] | None,
  context: AttentionContext,
  rule: Rule,
) -> Float[Array, 'B K G L h']:
  """Adds the keys of the trunk to those that queries have attended to.

  Args:
    query: Queries, scaled.
    own: Attention to the other keys, and the logarithm of the sum of their
      exponential logits.
    bias_HxD: From `position.distance_bias`; None without relative bias.
    context: Has a trunk.
    rule: How logits are made.
  """
  parts = []
  mixed, log_sums = own
  for queries in _blocks(query.shape, context.trunk.keys.shape[0]):
    part = (slice(None), slice(None), slice(None), queries)
    logits = _logits(query[part], bias_HxD, context, rule, queries)
    most = jnp.max(logits, axis=-1)
    weights = jnp.exp(logits - most[..., None])
    total = jnp.sum(weights, axis=-1)
    values_PxKxh = context.trunk.values
    sums = jnp.einsum(
      'KBGQP,PKh->KBGQh',
      weights.astype(values_PxKxh.dtype),
      values_PxKxh,
      preferred_element_type=jnp.float32,
    )
    # The share of the trunk in all weights of a query.
    before = jnp.moveaxis(most + jnp.log(total), 0, 1)
    share = jax.nn.sigmoid(before - log_sums[part])[..., None]
    found = jnp.moveaxis(sums / total[..., None], 0, 1)
    joined = share * found + (1 - share) * mixed[part].astype(jnp.float32)
    parts.append(joined.astype(mixed.dtype))
  return jnp.concatenate(parts, axis=3)


def _blocks(shape: tuple[int, ...], keys: int) -> Iterator[slice]:
  """Yields the indices of the queries of each block."""
  rows, kv_heads, groups, length, _ = shape
  size = max(_LEAST_QUERIES, _BLOCK // (rows * kv_heads * groups * keys))
  for first in range(0, length, size):
    yield slice(first, min(first + size, length))


def _logits(query, bias_HxD, context, rule, queries):
  """Returns the logits of a block of queries, [K, B, G, Q, P]."""
  logits = jnp.einsum(
    'BKGQh,PKh->KBGQP',
    query,
    context.trunk.keys,
    preferred_element_type=jnp.float32,
  )
  logits = capped(logits, rule.softcap)
  if bias_HxD is not None:
    index_P = jnp.arange(context.trunk.keys.shape[0])
    distance = context.positions[:, queries, None] - index_P[None, None]
    bias = position.look_up(bias_HxD, distance)
    bias = bias.reshape(bias.shape[0], *query.shape[1:3], *bias.shape[2:])
    logits = logits + jnp.moveaxis(bias, 1, 0)
  visible = seen_trunk(context, rule, queries)
  return jnp.where(visible[None, :, None], logits, HIDDEN)
