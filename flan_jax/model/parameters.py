"""The decoder's parameters.

`Decoder` defines parameters, their initial values and the logical axes of each
dimension. All computation takes them as a plain nested dictionary, which is
also what training updates and checkpoints hold:

  embedding [V, D], unembedding [D, V] (absent if tied), final_norm [D],
  relative_bias [Z, H] (absent with RoPE; Z buckets), and under `layers`, all
  stacked over N: attention_norm, feed_forward_norm [N, D], query [N, D, H*h],
  key, value [N, D, K*h], output [N, H*h, D], gate, up [N, D, F],
  down [N, F, D]; if configured, query_bias [N, H*h], key_bias,
  value_bias [N, K*h], query_norm, key_norm [N, h].
"""

from typing import Any

from flax import nnx
import jax
import jax.numpy as jnp

from flan_jax.model.decoder_config import DecoderConfig
from flan_jax.sharding import rules

Params = dict[str, Any]


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
