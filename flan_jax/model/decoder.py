"""The decoder's parameters, and pure functions over them.

`Decoder` defines parameters, their initial values and the logical axes of each
dimension. All computation takes the parameters as a plain nested dictionary,
which is also what is trained and saved:

  embedding [V, D], unembedding [D, V] (absent if tied), final_norm [D],
  relative_bias [Z, H] (absent with RoPE; Z buckets), and under `layers`, all
  stacked over N: attention_norm, feed_forward_norm [N, D], query [N, D, H*h],
  key, value [N, D, K*h], output [N, H*h, D], gate, up [N, D, F],
  down [N, F, D]; if configured, query_bias [N, H*h], key_bias,
  value_bias [N, K*h], query_norm, key_norm [N, h].

A batch is a dictionary of arrays. tokens, segments, positions and optionally
branches [B, L] are the input (see `attention.visible_keys`). target_positions
and target_labels [B, T] give the indices in the row that predict a token, and
that token.
"""

from collections.abc import Callable, Mapping
from typing import Any

from flax import nnx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from flan_jax.model import attention, layers, multihead, position
from flan_jax.model.decoder_config import DecoderConfig
from flan_jax.sharding import rules

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
  """The parameters of all layers, stacked.

  Projections are initialized from a truncated normal of variance 1 / fan_in.
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
  """Defines and initializes the parameters of a `DecoderConfig`.

  The final norm yields unit variance. Logits start with unit variance, too, if
  a column of the unembedding has unit norm on average, so its variance is
  1 / D, as for any projection. An untied embedding has variance 1. A tied one
  has 1 / D: the residual stream then starts small, which the norms undo.
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
    """Returns the parameters as a plain nested dictionary of arrays."""
    return nnx.to_pure_dict(nnx.state(self, nnx.Param))


def logical_axes(config: DecoderConfig) -> Params:
  """Returns the logical axes of each dimension, one tuple per parameter."""
  decoder = nnx.eval_shape(lambda: Decoder(config, nnx.Rngs(0)))
  state = nnx.state(decoder, nnx.Param)
  axes = jax.tree.map(
    lambda param: param.get_metadata('logical_axes'),
    state,
    is_leaf=lambda node: isinstance(node, nnx.Param),
  )
  return nnx.to_pure_dict(axes)


def param_shardings(config: DecoderConfig, mesh: jax.sharding.Mesh) -> Params:
  """Returns the sharding of each parameter on the mesh.

  Raises:
    ConfigError: The mesh does not divide a parameter or the query heads.
  """
  rules.check_heads(config.num_heads, mesh)
  return rules.tree_shardings(
    mesh, logical_axes(config), abstract_params(config)
  )


def abstract_params(
  config: DecoderConfig, mesh: jax.sharding.Mesh | None = None
) -> Params:
  """Returns the shapes and types of the parameters.

  With a mesh, they carry shardings as well.
  """
  abstract = jax.eval_shape(lambda: Decoder(config, nnx.Rngs(0)).params())
  if mesh is None:
    return abstract
  return rules.with_shardings(abstract, param_shardings(config, mesh))


def init_params(
  config: DecoderConfig, seed: int, mesh: jax.sharding.Mesh
) -> Params:
  """Returns initial parameters, created in their places on the mesh.

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
  """Returns the residual stream after the last layer and the final norm.

  Args:
    config: Shape of the decoder.
    params: From `init_params`.
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
  """Runs the decoder; returns hidden states and, on request, keys and values.

  Args:
    config: See `hidden_states`.
    params: See `hidden_states`.
    batch: See `hidden_states`.
    dropout_key: See `hidden_states`.
    keep_heads: Whether to return the keys and values of all layers.

  Returns:
    Hidden states, and None or (keys, values), each [N, B, L, K, h].
  """
  with layers.matmul_precision(config):
    context, rotations = attention_context(config, params, batch)
    # Like every parameter, the table is gathered over `fsdp` before its use.
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
        return multihead.attend(config, query, key, value, context)

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
  """Runs the layers in order, as a scan or unrolled.

  Args:
    config: Shape of the decoder.
    layer: Maps (carry, its slice of `per_layer`) to (carry, its output).
    carry: Passed from layer to layer.
    per_layer: Inputs of the layers, stacked [N, ...].

  Returns:
    The last carry and the stacked outputs, as from `jax.lax.scan`.
  """
  if config.remat != 'none':
    layer = jax.checkpoint(
      layer,
      policy=_REMAT_POLICIES[config.remat],
      # A scan already keeps XLA from merging recomputation and forward pass.
      prevent_cse=not config.scan_layers,
    )
  return jax.lax.scan(
    layer, carry, per_layer, unroll=1 if config.scan_layers else True
  )


def attention_context(
  config: DecoderConfig, params: Params, batch: Batch
) -> tuple[attention.AttentionContext, Any]:
  """Returns the context of attention, and the rotations of RoPE or None."""
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
  context = attention.AttentionContext(
    segments=jnp.asarray(batch['segments']),
    positions=positions_BxL,
    branches=batch.get('branches'),
    bias=bias,
  )
  return multihead.prepare(config, context), rotations
