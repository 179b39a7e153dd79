"""One token after the other, with the keys and values of those before kept."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from flan_jax.model import attention, decoder, layers, prediction
from flan_jax.model import decoder_config as config_lib

DecoderConfig = config_lib.DecoderConfig


class KeyValues(NamedTuple):
  """What attention reads of tokens, of all layers.

  Attributes:
    keys: Rotated where positions are told by RoPE [N, B, K, S, h].
    values: [N, B, K, S, h].
  """

  keys: Float[Array, 'N B K S h']
  values: Float[Array, 'N B K S h']


def empty(config: DecoderConfig, rows: int, length: int) -> KeyValues:
  """Room for so many tokens [S] of so many sequences [B]."""
  shape = (
    config.num_layers,
    rows,
    config.num_kv_heads,
    length,
    config.head_dim,
  )
  dtype = jnp.dtype(config.compute_dtype)
  return KeyValues(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype))


def prefill(
  config: DecoderConfig, params: decoder.Params, batch: decoder.Batch
) -> tuple[Float[Array, 'B L D'], KeyValues]:
  """Reads packed prompts; returns hidden states, and keys and values [S = L].

  Args:
    config: Shape of the decoder.
    params: As `decoder.init_params` makes them.
    batch: As for `decoder.hidden_states`.
  """
  hidden, heads = decoder.forward(config, params, batch, keep_heads=True)
  return hidden, KeyValues(*(x.transpose(0, 1, 3, 2, 4) for x in heads))


def decode_step(
  config: DecoderConfig,
  params: decoder.Params,
  cache: KeyValues,
  tokens_B: Int[Array, ' B'],
  positions_B: Int[Array, ' B'],
) -> tuple[Float[Array, 'B V'], KeyValues]:
  """Reads one more token of each sequence, and says what may come next.

  Args:
    config: Shape of the decoder.
    params: As `decoder.init_params` makes them.
    cache: Holds the tokens before, at the indices that are their positions.
    tokens_B: The tokens that are read.
    positions_B: Their positions, at which the cache has room.

  Returns:
    Logits in float32, and the cache with the tokens.
  """
  batch = {
    'positions': positions_B[:, None],
    'segments': jnp.ones_like(positions_B)[:, None],
  }
  with layers.matmul_precision(config):
    sight, rotations = decoder.sight_of(config, params, batch)
    bias_BxHxS = None
    if sight.bias is not None:
      bias_BxHxS = _bias(sight.bias, positions_B, cache.keys.shape[3])
    x_Bx1xD = jnp.take(params['embedding'], tokens_B[:, None], axis=0)
    x_Bx1xD = x_Bx1xD.astype(config.compute_dtype)

    def layer(x_Bx1xD, own):
      weights, before = own
      new = []

      def attend(query, key, value):
        new.append((key[:, 0], value[:, 0]))
        return _attend(query, key, value, before, positions_B, bias_BxHxS)

      x_Bx1xD += layers.attention_block(
        config, weights, x_Bx1xD, rotations, attend
      )
      x_Bx1xD += layers.feed_forward_block(config, weights, x_Bx1xD)
      return x_Bx1xD, KeyValues(*new[0])

    x_Bx1xD, new = decoder.run_layers(
      config, layer, x_Bx1xD, (params['layers'], cache)
    )
    x_Bx1xD = layers.rms_norm(x_Bx1xD, params['final_norm'], config.norm_eps)
  logits_BxV = prediction.target_logits(config, params, x_Bx1xD)[:, 0]
  return logits_BxV, _append(cache, new, positions_B)


def _bias(bias_HxP, positions_B, length):
  """The bias of each key by its index, which is its position [B, H, S]."""
  distance_BxS = positions_B[:, None] - jnp.arange(length)[None]
  distance_BxS = jnp.clip(distance_BxS, 0, bias_HxP.shape[1] - 1)
  return jnp.moveaxis(jnp.take(bias_HxP, distance_BxS, axis=1), 0, 1)


def _attend(query_Bx1xHxh, key, value, before, positions_B, bias_BxHxS):
  """Attention of one query a sequence over the cache and the token itself."""
  rows, width = query_Bx1xHxh.shape[0], query_Bx1xHxh.shape[-1]
  kv_heads = key.shape[2]
  query = query_Bx1xHxh.reshape(rows, kv_heads, -1, width) * width**-0.5

  def product(subscripts, x, y):
    return jnp.einsum(subscripts, x, y, preferred_element_type=jnp.float32)

  past = product('BKGh,BKSh->BKGS', query, before.keys)
  own = product('BKGh,BKh->BKG', query, key[:, 0])[..., None]
  if bias_BxHxS is not None:
    past += bias_BxHxS.reshape(past.shape)
    # A token is at distance 0 of itself, like a key at its own index.
    at_itself = jnp.take_along_axis(
      bias_BxHxS, positions_B[:, None, None], axis=-1
    )
    own += at_itself.reshape(own.shape)
  length = past.shape[-1]
  known_BxS = jnp.arange(length)[None] < positions_B[:, None]
  past = jnp.where(known_BxS[:, None, None], past, attention.HIDDEN)
  weights = jax.nn.softmax(jnp.concatenate([past, own], axis=-1), axis=-1)
  weights = weights.astype(value.dtype)
  mixed = product('BKGS,BKSh->BKGh', weights[..., :length], before.values)
  mixed += product('BKG,BKh->BKGh', weights[..., length], value[:, 0])
  return mixed.astype(value.dtype).reshape(query_Bx1xHxh.shape)


def _append(cache, new, positions_B):
  """Writes what is new [N, B, K, h] at its position in every sequence."""
  rows_B = jnp.arange(positions_B.shape[0])

  def write(old, own):
    # Between the indexed axes stands K, so rows come first.
    own = own.transpose(1, 0, 2, 3)
    return old.at[:, rows_B, :, positions_B].set(own)

  return KeyValues(*(write(o, n) for o, n in zip(cache, new, strict=True)))


def insert(
  cache: KeyValues,
  read: KeyValues,
  slot: Int[Array, ''],
  row: Int[Array, ''],
  start: Int[Array, ''],
) -> KeyValues:
  """Gives a sequence of the cache to a prompt that was read.

  Args:
    cache: Of the sequences that are continued.
    read: From `prefill`, with at least as many places.
    slot: Which sequence it becomes.
    row: Where the prompt lies: its row,
    start: and the index of its first token.
  """
  layers_, _, heads, length, width = cache.keys.shape
  size = (layers_, 1, heads, length, width)

  def move(old, new):
    # Room behind the last place, or the slice would start too early.
    new = jnp.pad(new, ((0, 0), (0, 0), (0, 0), (0, length), (0, 0)))
    part = jax.lax.dynamic_slice(new, (0, row, 0, start, 0), size)
    return jax.lax.dynamic_update_slice(old, part, (0, slot, 0, 0, 0))

  return KeyValues(*(move(o, n) for o, n in zip(cache, read, strict=True)))
