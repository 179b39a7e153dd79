"""Decodes token by token, with cached keys and values."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from flan_jax.model import (
  attention,
  decoder,
  layers,
  position,
  prediction,
  soft_prompt,
)
from flan_jax.model.decoder_config import DecoderConfig
from flan_jax.model.parameters import Params


class KeyValues(NamedTuple):
  """Keys (rotated by RoPE, if configured) and values of all layers."""

  keys: Float[Array, 'N B K S h']
  values: Float[Array, 'N B K S h']


def empty(config: DecoderConfig, rows: int, length: int) -> KeyValues:
  """Returns an empty cache for `rows` sequences [B] of `length` tokens [S]."""
  heads, width = config.num_kv_heads, config.head_dim
  shape = (config.num_layers, rows, heads, length, width)
  dtype = jnp.dtype(config.compute_dtype)
  return KeyValues(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype))


def grow(cache: KeyValues, rows: int) -> KeyValues:
  """Returns a cache with room for `rows` sequences, the old ones first."""
  added = rows - cache.keys.shape[1]
  widths = ((0, 0), (0, added), (0, 0), (0, 0), (0, 0))
  return jax.tree.map(lambda old: jnp.pad(old, widths), cache)


def prefill(
  config: DecoderConfig, params: Params, batch: decoder.Batch
) -> tuple[Float[Array, 'B L D'], KeyValues]:
  """Reads packed prompts, with the arguments of `decoder.hidden_states`.

  Returns:
    Hidden states, and keys and values [S = L].
  """
  hidden, heads = decoder.forward(config, params, batch, keep_heads=True)
  return hidden, KeyValues(*(x.transpose(0, 1, 3, 2, 4) for x in heads))


def decode_step(
  config: DecoderConfig,
  params: Params,
  cache: KeyValues,
  tokens_B: Int[Array, ' B'],
  positions_B: Int[Array, ' B'],
) -> tuple[Float[Array, 'B V'], KeyValues]:
  """Reads one more token of each sequence and predicts the next.

  Args:
    config: Shape of the decoder.
    params: From `parameters.init_params`.
    cache: Holds the tokens before, indexed by their positions.
    tokens_B: The tokens to read.
    positions_B: Their positions, which must be below the cache's length.

  Returns:
    Logits in float32, and the cache with the tokens added.
  """
  positions_Bx1 = positions_B[:, None]
  batch = {'positions': positions_Bx1, 'segments': jnp.ones_like(positions_Bx1)}
  with layers.matmul_precision(config):
    of_layer = decoder.attention_contexts(config, params, batch)
    bias_BxHxS = None
    context, _ = of_layer(0)
    if context.bias is not None:  # The index of a key is its position.
      index_S = jnp.arange(cache.keys.shape[3])
      bias_BxHxS = position.look_up(context.bias, positions_Bx1 - index_S[None])
    x_Bx1xD = soft_prompt.read(config, params['embedding'], tokens_B[:, None])

    def layer(x_Bx1xD, own):
      weights, before, number = own
      context, rotations = of_layer(number)
      new = []

      def attend(query, key, value):
        new.append((key[:, 0], value[:, 0]))
        cached = before, positions_B, bias_BxHxS, context.windowed
        return _attend(rule, query, key, value, *cached)

      x_Bx1xD = layers.layer(config, weights, x_Bx1xD, rotations, attend)
      return x_Bx1xD, KeyValues(*new[0])

    rule = attention.Rule.of(config)
    numbers = jnp.arange(config.num_layers)
    x_Bx1xD, new = decoder.run_layers(
      config, layer, x_Bx1xD, (params['layers'], cache, numbers)
    )
    x_Bx1xD = layers.normalize(config, params, 'final_norm', x_Bx1xD)
  logits_BxV = prediction.target_logits(config, params, x_Bx1xD)[:, 0]
  return logits_BxV, _append(cache, new, positions_B)


def _attend(
  rule, query_Bx1xHxh, key, value, before, positions_B, bias_BxHxS, windowed
):
  """Attends with one query per sequence to the cache and the token itself."""
  rows, _, kv_heads, width = key.shape
  query = query_Bx1xHxh.reshape(rows, kv_heads, -1, width) * rule.scale
  product = functools.partial(jnp.einsum, preferred_element_type=jnp.float32)
  past = product('BKGh,BKSh->BKGS', query, before.keys)
  own = product('BKGh,BKh->BKG', query, key[:, 0])[..., None]
  past, own = (attention.capped(x, rule.softcap) for x in (past, own))
  if bias_BxHxS is not None:
    past += bias_BxHxS.reshape(past.shape)
    # A token's distance to itself is 0, like that of a key at its index.
    at_itself = jnp.take_along_axis(
      bias_BxHxS, positions_B[:, None, None], axis=-1
    )
    own += at_itself.reshape(own.shape)
  length = past.shape[-1]
  distance_BxS = positions_B[:, None] - jnp.arange(length)[None]
  known_BxS = distance_BxS > 0
  if rule.window is not None:
    known_BxS &= attention.is_near(distance_BxS, rule, windowed)
  past = jnp.where(known_BxS[:, None, None], past, attention.HIDDEN)
  weights = jax.nn.softmax(jnp.concatenate([past, own], axis=-1), axis=-1)
  weights = weights.astype(value.dtype)
  mixed = product('BKGS,BKSh->BKGh', weights[..., :length], before.values)
  mixed += product('BKG,BKh->BKGh', weights[..., length], value[:, 0])
  return mixed.astype(value.dtype).reshape(query_Bx1xHxh.shape)


def _append(cache, new, positions_B):
  """Writes new keys or values [N, B, K, h] at each sequence's position."""
  rows_B = jnp.arange(positions_B.shape[0])

  def write(old, own):
    # K is between the indexed axes, so NumPy's rules put rows first.
    return old.at[:, rows_B, :, positions_B].set(own.swapaxes(0, 1))

  return jax.tree.map(write, cache, new)


def insert(
  cache: KeyValues,
  read: KeyValues,
  slot: Int[Array, ''],
  row: Int[Array, ''],
  start: Int[Array, ''],
) -> KeyValues:
  """Copies a prompt that was read into one sequence of the cache.

  Args:
    cache: Cache of the sequences being decoded.
    read: From `prefill`, at least as long as the cache.
    slot: Sequence of the cache to fill.
    row: Row of the prompt in `read`.
    start: Index of the prompt's first token in the row.
  """
  depth, _, heads, length, width = cache.keys.shape
  size = (depth, 1, heads, length, width)

  def move(old, new):
    # Pad, because `dynamic_slice` would move a slice that overruns the end.
    new = jnp.pad(new, ((0, 0), (0, 0), (0, 0), (0, length), (0, 0)))
    part = jax.lax.dynamic_slice(new, (0, row, 0, start, 0), size)
    return jax.lax.dynamic_update_slice(old, part, (0, slot, 0, 0, 0))

  return jax.tree.map(move, cache, read)
