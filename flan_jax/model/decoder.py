"""The decoder, as pure functions over its parameters.

A batch is a dictionary of arrays. tokens, segments, positions and optionally
branches [B, L] are the input (see `attention.visible_keys`). target_positions
and target_labels [B, T] give the indices in the row that predict a token, and
that token. An optional `attention.Trunk` of all layers, trunk, precedes every
example of the batch.
"""

from collections.abc import Callable, Mapping
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from flan_jax.model import (
  attention,
  layers,
  multihead,
  position,
  rope,
  soft_prompt,
)
from flan_jax.model.decoder_config import DecoderConfig
from flan_jax.model.key_values import KeyValues
from flan_jax.model.parameters import Params
from flan_jax.sharding import rules

Batch = Mapping[str, Any]

_REMAT_POLICIES = {
  'dots': jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
  'full': jax.checkpoint_policies.nothing_saveable,
}


def hidden_states(
  config: DecoderConfig,
  params: Params,
  batch: Batch,
  dropout_key: Array | None = None,
) -> Float[Array, 'B L D']:
  """Returns the residual stream after the last layer and the final norm.

  Args:
    config: Shape of the decoder.
    params: From `parameters.init_params`.
    batch: Needs tokens, segments and positions; branches if options share rows.
    dropout_key: Key for dropout; None for no dropout.

  Returns:
    Activations in the compute type. Values at padding are meaningless.
  """
  return forward(config, params, batch, dropout_key)[0]


def forward(
  config: DecoderConfig,
  params: Params,
  batch: Batch,
  dropout_key: Array | None = None,
  keep_heads: bool = False,
) -> tuple[Float[Array, 'B L D'], Any]:
  """Returns `hidden_states`, and keys and values [N, B, L, K, h] or None.

  Keys and values are tuples of arrays if the layers are.
  """
  with layers.matmul_precision(config):
    of_layer = attention_contexts(config, params, batch)
    x_BxLxD = soft_prompt.embed(config, params, batch['tokens'])
    x_BxLxD = layers.dropout(config, x_BxLxD, dropout_key, config.num_layers, 0)
    x_BxLxD = rules.constrain(x_BxLxD, 'batch', 'length', 'residual')

    def layer(x_BxLxD, own):
      weights, before, number = own
      kept = []
      context, rotations = of_layer(number)
      if before is not None:
        context = context._replace(trunk=attention.Trunk(*before, trunk.length))

      def attend(query, key, value):
        kept.append((key, value))
        return multihead.attend(config, query, key, value, context)

      def drop(added, place):
        return layers.dropout(config, added, dropout_key, number, place)

      x_BxLxD = layers.layer(config, weights, x_BxLxD, rotations, attend, drop)
      x_BxLxD = rules.constrain(x_BxLxD, 'batch', 'length', 'residual')
      return x_BxLxD, kept[0] if keep_heads else None

    trunk = batch.get('trunk')
    before = trunk and KeyValues(trunk.keys, trunk.values)
    x_BxLxD, heads = run_layers(
      config, layer, x_BxLxD, params['layers'], before
    )
    x_BxLxD = layers.normalize(config, params, 'final_norm', x_BxLxD)
    return x_BxLxD, heads


def read_trunk(
  config: DecoderConfig, params: Params, batch: Batch
) -> attention.Trunk:
  """Reads the trunk of later batches.

  Every row of the batch holds the tokens of the trunk, followed by padding, and
  no branches. One row is enough; where devices divide rows, each reads one.
  """
  _, heads = forward(config, params, batch, keep_heads=True)
  keys, values = jax.tree.map(lambda x: x[..., 0, :, :, :], heads)
  length = jnp.sum(jnp.asarray(batch['segments'])[0] > 0)
  return attention.Trunk(keys, values, length)


def run_layers(
  config: DecoderConfig, layer: Callable, carry: Any, *per_layer: Any
) -> tuple[Any, Any]:
  """Runs the layers in order, as a scan or unrolled.

  Args:
    config: Shape of the decoder.
    layer: Maps a carry and (what `per_layer` has for the layer, its number) to
      the carry for the next layer, and outputs.
    carry: For the first layer.
    *per_layer: Weights, and what else layers have: arrays that are stacked, or
      tuples of arrays.

  Returns:
    The last carry, and the outputs, stacked or as tuples like the weights.
  """
  if isinstance(per_layer[0], tuple):
    return _run_apart(layer, carry, *per_layer)
  if config.remat != 'none':
    layer = jax.checkpoint(
      layer,
      policy=_REMAT_POLICIES[config.remat],
      # A scan already keeps XLA from merging recomputation and forward pass.
      prevent_cse=not config.scan_layers,
    )
  return jax.lax.scan(
    layer,
    carry,
    (*per_layer, jnp.arange(config.num_layers)),
    unroll=1 if config.scan_layers else True,
  )


def _run_apart(layer, carry, weights, *others):
  outputs = []
  for number in range(len(weights)):
    own = jax.tree.map(
      lambda each, n=number: each[n],
      others,
      # Not a NamedTuple of them.
      is_leaf=lambda node: type(node) is tuple and node is not others,
    )
    carry, output = layer(carry, (weights[number], *own, number))
    outputs.append(output)
  return carry, jax.tree.map(lambda *each: each, *outputs)


def attention_contexts(
  config: DecoderConfig, params: Params, batch: Batch
) -> Callable[[Any], tuple[attention.AttentionContext, Any]]:
  """Returns what maps the number of a layer to the inputs of its attention.

  They are the context, and the rotations of RoPE or None.
  """
  positions = jnp.asarray(batch['positions'])
  bias = rotations = near_rotations = None
  if config.position == 'relative_bias':
    bias = position.distance_bias(
      params['relative_bias'], config.relative_max_distance
    )
  else:
    rotations = near_rotations = rope.rotations(config, positions)
    if config.rope_local_base is not None:
      near_rotations = rope.rotations(rope.windowed(config), positions)
  context = attention.AttentionContext(
    segments=jnp.asarray(batch['segments']),
    positions=positions,
    branches=batch.get('branches'),
    bias=bias,
  )
  context = multihead.prepare(config, context)

  def of_layer(number):
    if config.global_every is None:
      return context, near_rotations
    windowed = jnp.asarray(number + 1) % config.global_every != 0
    chosen = rotations
    if config.rope_local_base is not None:
      choose = functools.partial(jnp.where, windowed)
      chosen = jax.tree.map(choose, near_rotations, rotations)
    return context._replace(windowed=windowed), chosen

  return of_layer
