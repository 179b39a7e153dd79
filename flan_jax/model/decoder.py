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

from collections.abc import Mapping
import contextlib
import functools
from typing import Any

from flax import nnx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from flan_jax.model import attention, multihead, position
from flan_jax.model import config as config_lib
from flan_jax.sharding import rules

DecoderConfig = config_lib.DecoderConfig
Params = dict[str, Any]
Batch = Mapping[str, Any]

_ACTIVATIONS = {'gelu': jax.nn.gelu, 'silu': jax.nn.silu}
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
  with matmul_precision(config):
    sight, rotations = _sight(config, params, batch)
    # Gathers the table over `fsdp`, as every parameter is before its use.
    table_VxD = rules.constrain(params['embedding'], 'vocab', 'residual')
    x_BxLxD = jnp.take(table_VxD, batch['tokens'], axis=0)
    x_BxLxD = x_BxLxD.astype(config.compute_dtype)
    x_BxLxD = _dropout(config, x_BxLxD, dropout_key, config.num_layers, 0)
    x_BxLxD = rules.constrain(x_BxLxD, 'batch', 'length', 'residual')

    def layer(x_BxLxD, numbered):
      weights, number = numbered
      x_BxLxD = _attention_block(
        config,
        weights,
        x_BxLxD,
        (sight, rotations),
        dropout_key,
        number,
      )
      x_BxLxD = _feed_forward_block(
        config, weights, x_BxLxD, dropout_key, number
      )
      return rules.constrain(x_BxLxD, 'batch', 'length', 'residual'), None

    x_BxLxD = _run_layers(config, layer, params['layers'], x_BxLxD)
    return rms_norm(x_BxLxD, params['final_norm'], config.norm_eps)


def rms_norm(
  x: Float[Array, '... D'], scale_D: Float[Array, ' D'], eps: float
) -> Float[Array, '... D']:
  """Divides by the root mean square in float32; keeps the type of `x`."""
  wide = x.astype(jnp.float32)
  mean_square = jnp.mean(jnp.square(wide), axis=-1, keepdims=True)
  scale = jnp.expand_dims(scale_D, tuple(range(x.ndim - 1)))
  return (wide * jax.lax.rsqrt(mean_square + eps) * scale).astype(x.dtype)


def _run_layers(config, layer, stacked, x_BxLxD):
  """Runs the layers in order, as one scan or one by one."""
  if config.remat != 'none':
    layer = jax.checkpoint(
      layer,
      policy=_REMAT_POLICIES[config.remat],
      # Inside a scan the recomputation cannot be merged with the forward pass.
      prevent_cse=not config.scan_layers,
    )
  if config.scan_layers:
    numbers = jnp.arange(config.num_layers)
    return jax.lax.scan(layer, x_BxLxD, (stacked, numbers))[0]
  for number in range(config.num_layers):
    weights = {name: stack[number] for name, stack in stacked.items()}
    x_BxLxD, _ = layer(x_BxLxD, (weights, number))
  return x_BxLxD


def _sight(config, params, batch):
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
  sight = attention.Sight(
    segments=jnp.asarray(batch['segments']),
    positions=positions_BxL,
    branches=batch.get('branches'),
    bias=bias,
  )
  return multihead.prepare(config, sight), rotations


def _attention_block(config, weights, x_BxLxD, where, dropout_key, number):
  sight, rotations = where
  y_BxLxD = rms_norm(x_BxLxD, weights['attention_norm'], config.norm_eps)

  def heads(name, axis):
    projected = _project(y_BxLxD, weights[name])
    if config.qkv_bias:
      bias = weights[f'{name}_bias'].astype(projected.dtype)
      projected = projected + bias[None, None]
    projected = rules.constrain(projected, 'batch', 'length', axis)
    projected = projected.reshape(*x_BxLxD.shape[:2], -1, config.head_dim)
    if name == 'value':
      return projected
    if config.qk_norm:
      projected = rms_norm(projected, weights[f'{name}_norm'], config.norm_eps)
    if rotations is not None:
      projected = position.apply_rope(projected, rotations)
    return projected

  mixed = multihead.attend(
    config,
    heads('query', 'heads'),
    heads('key', 'kv'),
    heads('value', 'kv'),
    sight,
  )
  mixed = mixed.reshape(*x_BxLxD.shape[:2], -1)
  added = _project(mixed, weights['output'])
  return x_BxLxD + _dropout(config, added, dropout_key, number, 0)


def _feed_forward_block(config, weights, x_BxLxD, dropout_key, number):
  y_BxLxD = rms_norm(x_BxLxD, weights['feed_forward_norm'], config.norm_eps)
  hidden = _gated(
    config.activation,
    _project(y_BxLxD, weights['gate']),
    _project(y_BxLxD, weights['up']),
  )
  hidden = rules.constrain(hidden, 'batch', 'length', 'mlp')
  added = _project(hidden, weights['down'])
  return x_BxLxD + _dropout(config, added, dropout_key, number, 1)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _gated(activation, gate, up):
  """The activated gate times the other branch.

  Its gradient computes the activation again. The usual one would keep half a
  dozen arrays of the feed-forward layer's width.
  """
  return _ACTIVATIONS[activation](gate) * up


def _gated_forward(activation, gate, up):
  return _gated(activation, gate, up), (gate, up)


def _gated_backward(activation, kept, grad):
  gate, up = kept
  activated, pull = jax.vjp(_ACTIVATIONS[activation], gate)
  return pull(grad * up)[0], grad * activated


_gated.defvjp(_gated_forward, _gated_backward)


@jax.custom_vjp
def _project(x_BxLxX, weights_XxY):
  """A product with a parameter, in the type of `x_BxLxX`.

  The parameter's gradient comes in the parameter's type, unrounded, and from a
  product in which the narrower of the two activations is the one that has to
  be transposed; the usual one may transpose the feed-forward layer's.
  """
  return jnp.einsum('BLX,XY->BLY', x_BxLxX, weights_XxY.astype(x_BxLxX.dtype))


def _project_forward(x_BxLxX, weights_XxY):
  return _project(x_BxLxX, weights_XxY), (x_BxLxX, weights_XxY)


def _project_backward(kept, grad_BxLxY):
  x_BxLxX, weights_XxY = kept
  precision = _precision(x_BxLxX.dtype)
  grad_BxLxX = jnp.einsum(
    'BLY,XY->BLX',
    grad_BxLxY,
    weights_XxY.astype(x_BxLxX.dtype),
    precision=precision,
  )
  product = functools.partial(
    jnp.einsum, precision=precision, preferred_element_type=weights_XxY.dtype
  )
  if x_BxLxX.shape[-1] <= grad_BxLxY.shape[-1]:
    grad_XxY = product('BLX,BLY->XY', x_BxLxX, grad_BxLxY)
  else:
    grad_YxX = product('BLY,BLX->YX', grad_BxLxY, x_BxLxX)
    # Without the barrier, XLA exchanges the activations again.
    grad_XxY = jax.lax.optimization_barrier(grad_YxX).T
  return grad_BxLxX, grad_XxY


_project.defvjp(_project_forward, _project_backward)


def _dropout(config, x, key, number, place):
  """Drops values by a key of the layer's number and the place in it."""
  if key is None or config.dropout_rate == 0.0:
    return x
  key = jax.random.fold_in(key, 2 * number + place)
  keep = 1.0 - config.dropout_rate
  kept = jax.random.bernoulli(key, keep, x.shape)
  return jnp.where(kept, x / keep, 0).astype(x.dtype)


def matmul_precision(
  config: DecoderConfig,
) -> contextlib.AbstractContextManager:
  """Full products in float32; bfloat16 products are exact as they are."""
  return jax.default_matmul_precision(_precision(config.compute_dtype))


def _precision(dtype):
  return 'highest' if dtype == 'float32' else None
