"""Decodes token by token, with cached keys and values.

Under a mesh, devices divide the sequences of a cache and its heads, which are
repeated if there are fewer than devices on the model axis.

Several steps are decoded before the cache changes: their keys and values are
in a buffer, at the same index for all sequences.
"""

import functools

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
  transposed,
)
from flan_jax.model.decoder_config import DecoderConfig
from flan_jax.model.key_values import KeyValues
from flan_jax.model.parameters import Params
from flan_jax.sharding import rules

# Logical axes of the keys, and of the values, of all layers.
AXES = ('layers', 'batch', 'cached_heads', 'length', 'head')


def empty(
  config: DecoderConfig, rows: int, length: int, apart: bool = False
) -> KeyValues:
  """Returns an empty cache for `rows` sequences [B] of `length` tokens [S].

  Layers are stacked, or a tuple if they are kept `apart`.
  """
  mesh = jax.sharding.get_abstract_mesh()
  heads, width = config.num_kv_heads, config.head_dim
  heads *= rules.head_repeats(heads, mesh)
  dtype = jnp.dtype(config.compute_dtype)

  def zeros():
    if apart:
      shape = (rows, heads, length, width)
      return tuple(jnp.zeros(shape, dtype) for _ in range(config.num_layers))
    return jnp.zeros((config.num_layers, rows, heads, length, width), dtype)

  return _divided(KeyValues(zeros(), zeros()))


def _divided(cache):
  """Divides keys and values [..., B, K, S, h] among the devices of the mesh."""
  return jax.tree.map(lambda x: rules.constrain(x, *AXES[-x.ndim :]), cache)


def _repeated(heads):
  """Repeats heads [..., K, S, h] as those of a cache are."""
  mesh = jax.sharding.get_abstract_mesh()

  def each(x):
    repeats = rules.head_repeats(x.shape[-3], mesh)
    return x if repeats == 1 else x.repeat(repeats, axis=-3)

  return jax.tree.map(each, heads)


def grow(cache: KeyValues, rows: int) -> KeyValues:
  """Returns a cache with room for `rows` sequences, the old ones first."""

  def padded(old):
    widths = [(0, 0)] * old.ndim
    widths[-4] = (0, rows - old.shape[-4])
    return jnp.pad(old, widths)

  return _divided(jax.tree.map(padded, cache))


def prefill(
  config: DecoderConfig, params: Params, batch: decoder.Batch
) -> tuple[Float[Array, 'B L D'], KeyValues]:
  """Reads packed prompts, with the arguments of `decoder.hidden_states`.

  Returns:
    Hidden states, and keys and values [S = L], without those of a trunk.
  """
  hidden, heads = decoder.forward(config, params, batch, keep_heads=True)
  heads = jax.tree.map(lambda x: x.swapaxes(-2, -3), KeyValues(*heads))
  return hidden, _divided(_repeated(heads))


def decode_step(
  config: DecoderConfig,
  params: Params,
  cache: KeyValues,
  recent: KeyValues,
  tokens_B: Int[Array, ' B'],
  starts_B: Int[Array, ' B'],
  step: Int[Array, ''],
) -> tuple[Float[Array, 'B V'], KeyValues]:
  """Reads one more token of each sequence and predicts the next.

  Args:
    config: Shape of the decoder.
    params: From `parameters.init_params`, or laid out by `transposed`.
    cache: Holds the tokens before these steps, indexed by their positions.
    recent: Holds the tokens of these steps, by the number of the step [S = C].
    tokens_B: The tokens to read.
    starts_B: The number of tokens in the cache, at most its length.
    step: Number of this step, from 0; the tokens' positions are `starts_B`
      plus it.

  Returns:
    Logits in float32, and `recent` with the tokens added.
  """
  positions_Bx1 = starts_B[:, None] + step
  batch = {'positions': positions_Bx1, 'segments': jnp.ones_like(positions_Bx1)}
  past, new = (jax.tree.leaves(x)[0].shape[-2] for x in (cache, recent))
  # The index of a key in the cache is its position.
  distance_BxS = jnp.concatenate(
    [
      positions_Bx1 - jnp.arange(past)[None],
      jnp.broadcast_to(step - jnp.arange(new), (len(starts_B), new)),
    ],
    axis=1,
  )
  known_BxS = jnp.concatenate(
    [
      jnp.arange(past)[None] < starts_B[:, None],
      jnp.broadcast_to(jnp.arange(new) <= step, (len(starts_B), new)),
    ],
    axis=1,
  )
  with layers.matmul_precision(config):
    of_layer = decoder.attention_contexts(config, params, batch)
    bias_BxHxS = None
    context, _ = of_layer(0)
    if context.bias is not None:
      bias_BxHxS = position.look_up(context.bias, distance_BxS)
    x_Bx1xD = soft_prompt.read(config, params['embedding'], tokens_B[:, None])
    rule = attention.Rule.of(config)
    apart = isinstance(params['layers'], tuple)
    dots = transposed.dots if apart else _dots

    def layer(x_Bx1xD, own):
      weights, before, added, number = own
      context, rotations = of_layer(number)
      kept = []

      def attend(query, *heads):
        kept.extend(
          jax.lax.dynamic_update_slice_in_dim(
            old, _repeated(own.swapaxes(1, 2)), step, axis=2
          )
          for old, own in zip(added, heads, strict=True)
        )
        seen_BxS = known_BxS
        if rule.window is not None:
          seen_BxS &= attention.is_near(distance_BxS, rule, context.windowed)
        parts = before, KeyValues(*kept)
        return _attend(rule, dots, query, parts, seen_BxS, bias_BxHxS)

      x_Bx1xD = layers.layer(config, weights, x_Bx1xD, rotations, attend)
      return x_Bx1xD, _divided(KeyValues(*kept))

    x_Bx1xD, recent = decoder.run_layers(
      config, layer, x_Bx1xD, params['layers'], cache, recent
    )
    x_Bx1xD = layers.normalize(config, params, 'final_norm', x_Bx1xD)
  return prediction.target_logits(config, params, x_Bx1xD)[:, 0], recent


def _dots(query, keys):
  """Returns the products of queries [B, K, G, h] with keys [B, K, S, h]."""
  return jnp.einsum(
    'BKGh,BKSh->BKGS', query, keys, preferred_element_type=jnp.float32
  )


def _attend(rule, dots, query_Bx1xHxh, parts, seen_BxS, bias_BxHxS):
  """Attends with one query per sequence to parts of keys and values."""
  rows, kv_heads, _, width = parts[0].keys.shape
  query = query_Bx1xHxh.reshape(rows, kv_heads, -1, width) * rule.scale
  logits = jnp.concatenate([dots(query, part.keys) for part in parts], axis=-1)
  logits = attention.capped(logits, rule.softcap)
  if bias_BxHxS is not None:
    logits += bias_BxHxS.reshape(logits.shape)
  logits = jnp.where(seen_BxS[:, None, None], logits, attention.HIDDEN)
  dtype = parts[0].values.dtype
  weights = jax.nn.softmax(logits, axis=-1).astype(dtype)
  first = parts[0].keys.shape[2]
  product = functools.partial(jnp.einsum, preferred_element_type=jnp.float32)
  mixed = sum(
    product('BKGS,BKSh->BKGh', own, part.values)
    for own, part in zip(
      jnp.split(weights, [first], axis=-1), parts, strict=True
    )
  )
  return mixed.astype(dtype).reshape(query_Bx1xHxh.shape)


def first_tokens(cache: KeyValues, length: int) -> KeyValues:
  """Returns the first tokens of all sequences, at least `length`."""

  def cut(x):
    # A copy of nearly everything saves nothing.
    return x[..., :length, :] if 4 * length <= 3 * x.shape[-2] else x

  return jax.tree.map(cut, cache)


def append(
  cache: KeyValues, recent: KeyValues, starts_B: Int[Array, ' B']
) -> KeyValues:
  """Writes the tokens of some steps behind those of each sequence.

  The cache must have room for all of `recent` after the tokens that count;
  see `decode_step`. What `recent` does not hold yet is written, too.
  """

  @functools.partial(jax.vmap, in_axes=(-4, -4, 0), out_axes=-4)
  def write(old, new, start):
    return jax.lax.dynamic_update_slice_in_dim(old, new, start, axis=-2)

  return _divided(
    jax.tree.map(lambda old, new: write(old, new, starts_B), cache, recent)
  )


def padded_for(
  read: KeyValues, length: int, trunk: attention.Trunk | None
) -> KeyValues:
  """Returns what `insert` can copy to sequences of a length [S].

  That is keys and values with as much room before them as the trunk of the
  prompts has, and with room for a sequence after them.
  """
  before = 0 if trunk is None else jax.tree.leaves(trunk.keys)[0].shape[-3]

  def padded(x):
    widths = [*[(0, 0)] * (x.ndim - 2), (before, length), (0, 0)]
    return jnp.pad(x, widths)

  return _divided(jax.tree.map(padded, read))


def insert(
  cache: KeyValues,
  read: KeyValues,
  trunk: attention.Trunk | None,
  slots_P: Int[Array, ' P'],
  rows_P: Int[Array, ' P'],
  starts_P: Int[Array, ' P'],
) -> KeyValues:
  """Copies prompts that were read into sequences of the cache.

  Args:
    cache: Cache of the sequences being decoded.
    read: From `padded_for`.
    trunk: What precedes all prompts, or None.
    slots_P: Sequence of the cache to fill; one too large is left out.
    rows_P: Row of each prompt in `read`.
    starts_P: Index of each prompt's first token in its row.
  """
  if trunk is not None:
    room = jax.tree.leaves(trunk.keys)[0].shape[-3]
    starts_P = starts_P + room - trunk.length

  def move(old, new, *trunks):
    size = old.shape[-2]

    @functools.partial(jax.vmap, in_axes=(None, 0, 0), out_axes=-4)
    def cut(new, row, start):
      one = jax.lax.dynamic_index_in_dim(new, row, axis=-4, keepdims=False)
      return jax.lax.dynamic_slice_in_dim(one, start, size, axis=-2)

    # Only what was cut moves between devices.
    taken = cut(new, rows_P, starts_P)
    for text in trunks:
      text = jnp.expand_dims(_repeated(text.swapaxes(-2, -3)), -4)
      after = size - text.shape[-2]
      text = jnp.pad(text, [*[(0, 0)] * (text.ndim - 2), (0, after), (0, 0)])
      before_S = jnp.arange(size) < trunk.length
      taken = jnp.where(_along(before_S, taken), text, taken)
    return _write(old, taken, slots_P)

  trunks = () if trunk is None else (KeyValues(trunk.keys, trunk.values),)
  return _divided(jax.tree.map(move, cache, read, *trunks))


def _along(values_S, x):
  """Returns values with as many axes as `x`, along the last but one."""
  return values_S.reshape(*[1] * (x.ndim - 2), -1, 1)


def _write(old, new, slots_P):
  """Writes sequences in the places of others."""
  if old.ndim == 4:
    return old.at[slots_P].set(new, mode='drop')
  return old.at[:, slots_P].set(new, mode='drop')
