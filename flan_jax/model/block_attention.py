"""Attention in blocks of queries, each over the keys up to its own end.

Half of all pairs of query and key are never computed. The backward pass
recomputes the weights block by block from the logarithm of their sum, so memory
grows with the length and not with its square (FlashAttention, Dao et al., 2022,
in plain XLA).
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
import numpy as np

from flan_jax.model import position, trunk_attention
from flan_jax.model.attention import (
  HIDDEN,
  AttentionContext,
  Rule,
  capped,
  seen_keys,
)
from flan_jax.sharding import mesh as mesh_lib

# Program size grows with the number of blocks.
_MOST_BLOCKS = 16
# Logits per piece: they fit a CPU's cache, and several pieces keep its cores
# busy.
_PIECE = 2**21
_MOST_PIECES = 16


def attend_in_blocks(
  query_BxLxHxh: Float[Array, 'B L H h'],
  key_BxLxKxh: Float[Array, 'B L K h'],
  value_BxLxKxh: Float[Array, 'B L K h'],
  context: AttentionContext,
  block: int,
  pieces: bool = False,
  rule: Rule | None = None,
) -> Float[Array, 'B L H h']:
  """Computes the same as `attention.attend_reference`.

  Args:
    query_BxLxHxh: Queries.
    key_BxLxKxh: Keys.
    value_BxLxKxh: Values.
    context: Needs `bias_table` if there is a bias and no branches.
    block: Queries per block; more if a row would have over 16 blocks.
    pieces: Whether to divide the rows into pieces that XLA can compute in
      parallel. This is about twice as fast on a CPU and slower on an
      accelerator.
    rule: As for `attention.attend_reference`.
  """
  batch, length, heads, width = query_BxLxHxh.shape
  query = query_BxLxHxh.reshape(batch, length, key_BxLxKxh.shape[2], -1, width)
  rule = rule or Rule(width**-0.5)
  query = query.transpose(0, 2, 3, 1, 4) * rule.scale
  key, value = (x.transpose(0, 2, 1, 3) for x in (key_BxLxKxh, value_BxLxKxh))
  bias = context.bias_table if context.branches is None else context.bias
  block = _block_size(length, block)
  rows = batch
  if pieces:
    rows = max(1, _PIECE // (heads * block * length), -(-batch // _MOST_PIECES))

  distance_bias = context.bias
  of_all_rows = {'windowed': context.windowed, 'trunk': context.trunk}
  nothing = dict.fromkeys(('bias', 'bias_table', *of_all_rows))
  by_row = (query, key, value, context._replace(**nothing))

  def piece(first):
    query, key, value, context = jax.tree.map(
      lambda x: x[first : first + rows], by_row
    )
    context = context._replace(**of_all_rows)
    if context.trunk is None:
      return _attend(query, key, value, bias, context, block, rule)
    # Nobody asks for the gradient.
    mixed, kept = _forward(query, key, value, bias, context, block, rule)
    return trunk_attention.attend_further(
      query, (mixed, kept[-1]), distance_bias, context, rule
    )

  mixed = jnp.concatenate([piece(first) for first in range(0, batch, rows)])
  return mixed.transpose(0, 3, 1, 2, 4).reshape(batch, length, heads, width)


def bias_table(
  bias_HxP: Float[Array, 'H P'], length: int, block: int
) -> Float[Array, 'H Q W']:
  """Returns the bias of the last block of queries, without branches.

  Where positions rise with the index, the bias of every block is a slice of the
  bias of the last one, which sees the most keys. All blocks, rows and layers
  therefore share one table.
  """
  block = _block_size(length, block)
  stop = -(-length // block) * block
  return position.index_bias(
    bias_HxP, slice(stop - block, stop), slice(0, stop)
  )


def _block_size(length, block):
  return min(max(block, -(-length // _MOST_BLOCKS)), length)


def _blocks(length, block):
  """Yields the query indices of each block and the keys they may see."""
  for start in range(0, length, block):
    stop = min(start + block, length)
    yield slice(start, stop), slice(0, stop)


def _product(subscripts, x, y):
  """Multiplies float32 or bfloat16 values with a float32 result."""
  precision = jax.lax.Precision.HIGHEST if x.dtype == jnp.float32 else None
  return jnp.einsum(
    subscripts, x, y, precision=precision, preferred_element_type=jnp.float32
  )


def _block_bias(context, queries, keys, groups, bias):
  """Slices or looks up the bias of a block [1 or B, K, G, Q, S], or None."""
  if bias is None:
    return None
  if context.branches is None:
    rows, width = bias.shape[1:]
    first = width - rows - queries.start
    bias = bias[
      None, :, : queries.stop - queries.start, first : first + keys.stop
    ]
  else:
    bias = position.relative_bias(bias, context.positions, queries, keys)
  return bias.reshape(bias.shape[0], -1, groups, *bias.shape[2:])


def _logits(query, key, bias, context, rule, queries, keys):
  """Returns the logits of a block, and their slope along the products."""
  logits = _product(
    'BKGQh,BKSh->BKGQS', query[:, :, :, queries], key[:, :, keys]
  )
  logits, slope = capped(logits, rule.softcap), None
  if rule.softcap is not None:
    slope = 1 - jnp.square(logits / rule.softcap)
  if bias is not None:
    logits = logits + bias
  visible = seen_keys(context, rule, queries, keys)
  return jnp.where(visible[:, None, None], logits, HIDDEN), slope


@functools.partial(jax.custom_vjp, nondiff_argnums=(5, 6))
def _attend(query, key, value, bias, context, block, rule):
  """Maps [B, K, G, L, h] and twice [B, K, L, h] to [B, K, G, L, h]."""
  return _forward(query, key, value, bias, context, block, rule)[0]


def _forward(query, key, value, all_bias, context, block, rule):
  mixed, log_sums = [], []
  for queries, keys in _blocks(query.shape[3], block):
    bias = _block_bias(context, queries, keys, query.shape[2], all_bias)
    logits, _ = _logits(query, key, bias, context, rule, queries, keys)
    most = jnp.max(logits, axis=-1, keepdims=True)
    weights = jnp.exp(logits - most)
    total = jnp.sum(weights, axis=-1, keepdims=True)
    sums = _product(
      'BKGQS,BKSh->BKGQh', weights.astype(value.dtype), value[:, :, keys]
    )
    mixed.append((sums / total).astype(value.dtype))
    log_sums.append((most + jnp.log(total))[..., 0])
  mixed = jnp.concatenate(mixed, axis=3)
  log_sums = jnp.concatenate(log_sums, axis=3)
  kept = (query, key, value, all_bias, context, mixed, log_sums)
  return mixed, kept


def _backward(block, rule, kept, grad):
  query, key, value, all_bias, context, mixed, log_sums = kept
  along = jnp.sum(grad.astype(jnp.float32) * mixed.astype(jnp.float32), axis=-1)
  grad_query = []
  grad_key, grad_value = (jnp.zeros(x.shape, jnp.float32) for x in (key, value))
  grad_bias = None if all_bias is None else jnp.zeros_like(all_bias)
  for queries, keys in _blocks(query.shape[3], block):
    of_block = functools.partial(
      _block_bias, context, queries, keys, query.shape[2]
    )
    bias, bias_vjp = jax.vjp(of_block, all_bias)
    logits, slope = _logits(query, key, bias, context, rule, queries, keys)
    part = (slice(None), slice(None), slice(None), queries)
    weights = jnp.exp(logits - log_sums[part][..., None])
    narrow = weights.astype(value.dtype)
    grad_value = grad_value.at[:, :, keys].add(
      _product('BKGQS,BKGQh->BKSh', narrow, grad[part])
    )
    through = _product('BKGQh,BKSh->BKGQS', grad[part], value[:, :, keys])
    grad_logits = weights * (through - along[part][..., None])
    if bias is not None:
      shared = bias.shape[0] == 1
      of_bias = _sum_rows(grad_logits) if shared else grad_logits
      grad_bias = grad_bias + bias_vjp(of_bias)[0]
    if slope is not None:
      grad_logits = grad_logits * slope
    narrow = grad_logits.astype(query.dtype)
    grad_query.append(_product('BKGQS,BKSh->BKGQh', narrow, key[:, :, keys]))
    grad_key = grad_key.at[:, :, keys].add(
      _product('BKGQS,BKGQh->BKSh', narrow, query[part])
    )
  return (
    jnp.concatenate(grad_query, axis=3).astype(query.dtype),
    grad_key.astype(key.dtype),
    grad_value.astype(value.dtype),
    grad_bias,
    jax.tree.map(lambda x: np.zeros(x.shape, jax.dtypes.float0), context),
  )


def _sum_rows(x):
  """Sums over the first axis, which is kept.

  On a CPU, XLA fuses a plain sum with the sum over blocks, which is ten times
  slower than adding halves. Rows that are divided among devices are not halved.
  """
  plain = functools.partial(jnp.sum, axis=0, keepdims=True)
  mesh = jax.sharding.get_abstract_mesh()
  if not mesh.empty and mesh_lib.batch_shards(mesh) > 1:
    return plain(x)
  return jax.lax.platform_dependent(x, cpu=_sum_of_halves, default=plain)


def _sum_of_halves(x):
  while x.shape[0] > 1:
    half = x.shape[0] // 2
    rest = x[2 * half :]
    x = x[:half] + x[half : 2 * half]
    if rest.shape[0]:
      x = x.at[:1].add(rest)
  return x


_attend.defvjp(_forward, _backward)
