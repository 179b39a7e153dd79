"""The decoder: its parameters, and pure functions over them.

`Decoder` defines parameters, their initial values and the logical axes of each
dimension. Everything that computes takes the parameters as a plain nested
dictionary, which is also what is trained and saved:

  embedding [V, D], unembedding [D, V] (absent if tied), final_norm [D],
  relative_bias [Z, H] (absent with RoPE; Z buckets), and under `layers`, all
  stacked over N: attention_norm, feed_forward_norm [N, D], query [N, D, H*h],
  key, value [N, D, K*h], output [N, H*h, D], gate, up [N, D, F],
  down [N, F, D]; where the configuration has them, query_bias [N, H*h],
  key_bias, value_bias [N, K*h], query_norm, key_norm [N, h].

A batch is a dictionary of arrays: tokens, segments, positions and optionally
branches [B, L] say what is read (see `attention.visible_keys`);
target_positions and target_labels [B, T] say at which index of the row which
token is to be predicted.
"""

from collections.abc import Callable, Mapping
from typing import Any

from flax import nnx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from flan_jax.model import attention, layers, multihead, position
from flan_jax.model import decoder_config as config_lib
from flan_jax.sharding import rules

DecoderConfig = config_lib.DecoderConfig
Params = dict[str, Any]
Batch = Mapping[str, Any]

_REMAT_POLICIES = {
  'dots': jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
  'full': jax.checkpoint_policies.nothing_saveable,
}


def _param(initializer, rngs, shape, axes) -> nnx.Param:
  value = initializer(rngs.params(), shape, jnp.float32)
  return nnx.Param(value, logical_axes=axes)


class Layers(nnx.Module):
  """All layers, each parameter stacked over them.

  Projections start from a truncated normal of variance 1 / fan_in.
  """

  def __init__(self, config: DecoderConfig, rngs: nnx.Rngs):
    depth, width = config.num_layers, config.d_model
    heads = config.num_heads * config.head_dim
    kv_heads = config.num_kv_heads * config.head_dim
    initializer = nnx.initializers.variance_scaling(
      1.0, 'fan_in', 'truncated_normal', batch_axis=(0,)
    )

    def norm(size):
      axes = ('layers', 'norm')
      return _param(nnx.initializers.ones, rngs, (depth, size), axes)

    def bias(size, axis):
      axes = ('layers', axis)
      return _param(nnx.initializers.zeros, rngs, (depth, size), axes)

    def projection(fan_in, fan_out, *axes):
      shape = (depth, fan_in, fan_out)
      return _param(initializer, rngs, shape, ('layers', *axes))

    self.attention_norm = norm(width)
    self.query = projection(width, heads, 'embed', 'heads')
    self.key = projection(width, kv_heads, 'embed', 'kv')
    self.value = projection(width, kv_heads, 'embed', 'kv')
    if config.qkv_bias:
      self.query_bias = bias(heads, 'heads')
      self.key_bias = bias(kv_heads, 'kv')
      self.value_bias = bias(kv_heads, 'kv')
    if config.qk_norm:
      self.query_norm = norm(config.head_dim)
      self.key_norm = norm(config.head_dim)
    self.output = projection(heads, width, 'heads', 'embed')
    self.feed_forward_norm = norm(width)
    self.gate = projection(width, config.d_ff, 'embed', 'mlp')
    self.up = projection(width, config.d_ff, 'embed', 'mlp')
    self.down = projection(config.d_ff, width, 'mlp', 'embed')


class Decoder(nnx.Module):
  """Defines and initialises the parameters of a `DecoderConfig`.

  The final norm yields unit variance, so logits start with unit variance if a
  column of the unembedding has unit norm on average: its variance is 1 / D,
  like that of any projection. An embedding of its own has variance 1; a tied
  one has 1 / D (the residual stream then starts small, which the norms undo).
  """

  def __init__(self, config: DecoderConfig, rngs: nnx.Rngs):
    vocab, width = config.vocab_size, config.d_model
    initializer = nnx.initializers.variance_scaling(
      1.0, 'fan_in', 'truncated_normal'
    )
    deviation = width**-0.5 if config.tie_embeddings else 1.0
    self.embedding = _param(
      nnx.initializers.normal(deviation),
      rngs,
      (vocab, width),
      ('vocab', 'embed'),
    )
    if config.position == 'relative_bias':
      self.relative_bias = _param(
        initializer,
        rngs,
        (config.relative_buckets, config.num_heads),
        ('relative_buckets', 'heads'),
      )
    self.layers = Layers(config, rngs)
    self.final_norm = _param(nnx.initializers.ones, rngs, (width,), ('norm',))
    if not config.tie_embeddings:
      self.unembedding = _param(
        initializer, rngs, (width, vocab), ('embed', 'vocab')
      )

  def params(self) -> Params:
    """The parameters as a plain nested dictionary of arrays."""
    return nnx.to_pure_dict(nnx.state(self, nnx.Param))


def logical_axes(config: DecoderConfig) -> Params:
  """The logical axis of each dimension, in the structure of the parameters."""
  decoder = nnx.eval_shape(lambda: Decoder(config, nnx.Rngs(0)))
  state = nnx.state(decoder, nnx.Param)
  axes = jax.tree.map(
    lambda param: param.get_metadata('logical_axes'),
    state,
    is_leaf=lambda node: isinstance(node, nnx.Param),
  )
  return nnx.to_pure_dict(axes)


def param_shardings(config: DecoderConfig, mesh: jax.sharding.Mesh) -> Params:
  """How each parameter lies on the mesh.

  Raises:
    ValueError: The mesh does not divide a parameter or the query heads; names
      the parameter, its dimension and the mesh axis.
  """
  rules.check_heads(config.num_heads, mesh)
  return rules.tree_shardings(
    mesh, logical_axes(config), abstract_params(config)
  )


def abstract_params(
  config: DecoderConfig, mesh: jax.sharding.Mesh | None = None
) -> Params:
  """Shapes and types of the parameters; with a mesh, shardings as well."""
  abstract = jax.eval_shape(lambda: Decoder(config, nnx.Rngs(0)).params())
  if mesh is None:
    return abstract
  return rules.with_shardings(abstract, param_shardings(config, mesh))


def init_params(
  config: DecoderConfig, seed: int, mesh: jax.sharding.Mesh
) -> Params:
  """Initial parameters, made where they belong on the mesh.

  The same seed yields the same values on every mesh.
  """

  def init(seed):
    with jax.threefry_partitionable(True):
      return Decoder(config, nnx.Rngs(jax.random.key(seed))).params()

  shardings = param_shardings(config, mesh)
  return jax.jit(init, out_shardings=shardings)(jnp.uint32(seed))


def hidden_states(
  config: DecoderConfig,
  params: Params,
  batch: Batch,
  dropout_key: Array | None = None,
) -> Float[Array, 'B L D']:
  """The residual stream after the last layer and the final norm.

  Args:
    config: Shape of the decoder.
    params: As `init_params` makes them.
    batch: Needs tokens, segments, positions; branches if options share rows.
    dropout_key: Where dropout comes from; None: no dropout.

  Returns:
    In the compute type. Values at padding mean nothing.
  """
  return forward(config, params, batch, dropout_key)[0]


def forward(
  config: DecoderConfig,
  params: Params,
  batch: Batch,
  dropout_key: Array | None = None,
  keep_heads: bool = False,
) -> tuple[Float[Array, 'B L D'], Any]:
  """As `hidden_states`, with keys and values of all layers if wanted.

  Returns:
    The hidden states, and None or (keys, values), each [N, B, L, K, h].
  """
  with layers.matmul_precision(config):
    sight, rotations = sight_of(config, params, batch)
    # Gathers the table over `fsdp`, as every parameter is before its use.
    table_VxD = rules.constrain(params['embedding'], 'vocab', 'residual')
    x_BxLxD = jnp.take(table_VxD, batch['tokens'], axis=0)
    x_BxLxD = x_BxLxD.astype(config.compute_dtype)
    x_BxLxD = layers.dropout(config, x_BxLxD, dropout_key, config.num_layers, 0)
    x_BxLxD = rules.constrain(x_BxLxD, 'batch', 'length', 'residual')

    def layer(x_BxLxD, numbered):
      weights, number = numbered
      kept = []

      def attend(query, key, value):
        kept.append((key, value))
        return multihead.attend(config, query, key, value, sight)

      added = layers.attention_block(
        config, weights, x_BxLxD, rotations, attend
      )
      x_BxLxD += layers.dropout(config, added, dropout_key, number, 0)
      added = layers.feed_forward_block(config, weights, x_BxLxD)
      x_BxLxD += layers.dropout(config, added, dropout_key, number, 1)
      x_BxLxD = rules.constrain(x_BxLxD, 'batch', 'length', 'residual')
      return x_BxLxD, kept[0] if keep_heads else None

    numbered = (params['layers'], jnp.arange(config.num_layers))
    x_BxLxD, heads = run_layers(config, layer, x_BxLxD, numbered)
    x_BxLxD = layers.rms_norm(x_BxLxD, params['final_norm'], config.norm_eps)
    return x_BxLxD, heads


def run_layers(
  config: DecoderConfig, layer: Callable, carry: Any, per_layer: Any
) -> tuple[Any, Any]:
  """Runs the layers in order, as one scan or one by one.

  Args:
    config: Shape of the decoder.
    layer: (carry, what is its own) -> (carry, what it returns of its own).
    carry: What goes from layer to layer.
    per_layer: What each layer has of its own, stacked [N, ...].

  Returns:
    As `jax.lax.scan`.
  """
  if config.remat != 'none':
    layer = jax.checkpoint(
      layer,
      policy=_REMAT_POLICIES[config.remat],
      # Inside a scan the recomputation cannot be merged with the forward pass.
      prevent_cse=not config.scan_layers,
    )
  return jax.lax.scan(
    layer, carry, per_layer, unroll=1 if config.scan_layers else True
  )


def sight_of(
  config: DecoderConfig, params: Params, batch: Batch
) -> tuple[attention.AttentionContext, Any]:
  """Who sees whom, and RoPE's rotations if positions are told by them."""
  positions_BxL = jnp.asarray(batch['positions'])
  bias = rotations = None
  if config.position == 'relative_bias':
    bias = position.distance_bias(
      params['relative_bias'], config.relative_max_distance
    )
  else:
    rotations = position.rope_rotations(
      positions_BxL, config.head_dim, config.rope_base
    )
  sight = attention.AttentionContext(
    segments=jnp.asarray(batch['segments']),
    positions=positions_BxL,
    branches=batch.get('branches'),
    bias=bias,
  )
  return multihead.prepare(config, sight), rotations
