"""The decoder's parameters.

`Decoder` defines parameters, their initial values and the logical axes of each
dimension. All computation takes them as a plain nested dictionary, which is
also what training updates and checkpoints hold:

  embedding [V, D], unembedding [D, V] (absent if tied), final_norm [D],
  prompt [P, D] (absent without a soft prompt),
  relative_bias [Z, H] (absent with RoPE; Z buckets), and under `layers`, all
  stacked over N: attention_norm, feed_forward_norm [N, D] (absent with norms
  after the blocks alone), query [N, D, H*h], key, value [N, D, K*h],
  output [N, H*h, D], gate (absent if not gated), up [N, D, F], down [N, F, D];
  if configured, attention_norm_after, feed_forward_norm_after [N, D],
  query_norm, key_norm [N, h] or [N, H*h] and [N, K*h], a bias of the last
  size of any of these, such as query_bias [N, H*h], and the adapters of
  `adapters`.
"""

from collections.abc import Callable
import functools
from typing import Any

from flax import nnx
import jax
import jax.numpy as jnp

from flan_jax.model.decoder_config import DecoderConfig
from flan_jax.sharding import rules

Params = dict[str, Any]
# Ends of the names of an adapter's parameters.
LORA_A, LORA_B = '_lora_a', '_lora_b'

_MATRICES = (
  *('embedding', 'unembedding', 'query', 'key', 'value', 'output'),
  *('gate', 'up', 'down'),
)
# Ends of the names of a block's norms, by their place.
_NORM_ENDS = {'before': [''], 'after': ['_after'], 'both': ['', '_after']}


def _param(rngs, initializer, **sizes) -> nnx.Param:
  """Initializes a parameter from the size of each logical axis."""
  value = initializer(rngs.params(), tuple(sizes.values()), jnp.float32)
  return nnx.Param(value, logical_axes=tuple(sizes))


def _norm_initializer(config: DecoderConfig) -> Callable:
  """Returns what makes norms multiply by 1."""
  from_one = config.norm_from_one
  return nnx.initializers.zeros if from_one else nnx.initializers.ones


class Layers(nnx.Module):
  """The parameters of all layers, stacked.

  Projections are initialized from a truncated normal of variance 1 / fan_in.
  """

  def __init__(self, config: DecoderConfig, rngs: nnx.Rngs):
    width = config.d_model
    heads = config.num_heads * config.head_dim
    kv_heads = config.num_kv_heads * config.head_dim
    param = functools.partial(_param, rngs, layers=config.num_layers)
    norm = functools.partial(param, _norm_initializer(config))
    bias = functools.partial(param, nnx.initializers.zeros)
    projection = functools.partial(
      param,
      nnx.initializers.variance_scaling(
        1.0, 'fan_in', 'truncated_normal', batch_axis=(0,)
      ),
    )

    def add_norms(block):
      for end in _NORM_ENDS[config.norm_place]:
        setattr(self, f'{block}_norm{end}', norm(norm=width))
        if config.norm == 'layer':
          setattr(self, f'{block}_norm{end}_bias', bias(norm=width))

    # Initial values depend on the order of parameters.
    add_norms('attention')
    self.query = projection(embed=width, heads=heads)
    self.key = projection(embed=width, kv=kv_heads)
    self.value = projection(embed=width, kv=kv_heads)
    if config.qkv_bias:
      self.query_bias = bias(heads=heads)
      self.key_bias = bias(kv=kv_heads)
      self.value_bias = bias(kv=kv_heads)
    if config.qk_norm:
      every = config.qk_norm_heads == 'all'
      self.query_norm = norm(norm=heads if every else config.head_dim)
      self.key_norm = norm(norm=kv_heads if every else config.head_dim)
    self.output = projection(heads=heads, embed=width)
    if config.output_bias:
      self.output_bias = bias(norm=width)
    add_norms('feed_forward')
    if config.gated:
      self.gate = projection(embed=width, mlp=config.d_ff)
    self.up = projection(embed=width, mlp=config.d_ff)
    self.down = projection(mlp=config.d_ff, embed=width)
    if config.feed_forward_bias:
      if config.gated:
        self.gate_bias = bias(mlp=config.d_ff)
      self.up_bias = bias(mlp=config.d_ff)
      self.down_bias = bias(norm=width)

  def adapt(self, config: DecoderConfig, rngs: nnx.Rngs):
    """Adds adapters, whose initial values are distributed as peft's."""
    drawn_evenly = nnx.initializers.variance_scaling(
      1 / 3, 'fan_in', 'uniform', batch_axis=(0,)
    )
    for name in config.lora_projections:
      projection = getattr(self, name)
      layers, *axes = projection.get_metadata('logical_axes')
      count, *sizes = projection.shape
      rank = {layers: count, 'lora_rank': config.lora_rank}
      first, second = ({a: n} for a, n in zip(axes, sizes, strict=True))
      low = _param(rngs, drawn_evenly, **{layers: count, **first, **rank})
      high = _param(rngs, nnx.initializers.zeros, **rank, **second)
      setattr(self, name + LORA_A, low)
      setattr(self, name + LORA_B, high)


class Decoder(nnx.Module):
  """Defines and initializes the parameters of a `DecoderConfig`.

  The final norm yields unit variance. Logits start with unit variance, too, if
  a column of the unembedding has unit norm on average, so its variance is
  1 / D, as for any projection. An untied embedding has variance 1. A tied one
  has 1 / D: the residual stream then starts small, which the norms undo.
  """

  def __init__(self, config: DecoderConfig, rngs: nnx.Rngs):
    vocab, width = config.vocab_size, config.d_model
    param = functools.partial(_param, rngs)
    projection = nnx.initializers.variance_scaling(
      1.0, 'fan_in', 'truncated_normal'
    )
    deviation = width**-0.5 if config.tie_embeddings else 1.0
    embedding = nnx.initializers.normal(deviation)
    self.embedding = param(embedding, vocab=vocab, embed=width)
    if config.position == 'relative_bias':
      self.relative_bias = param(
        projection,
        relative_buckets=config.relative_buckets,
        heads=config.num_heads,
      )
    self.layers = Layers(config, rngs)
    self.final_norm = param(_norm_initializer(config), norm=width)
    if config.norm == 'layer':
      self.final_norm_bias = param(nnx.initializers.zeros, norm=width)
    if not config.tie_embeddings:
      self.unembedding = param(projection, embed=width, vocab=vocab)
    # Last, so that the other initial values do not depend on it.
    if config.prompt_vectors:
      vectors = config.prompt_vectors
      self.prompt = param(embedding, prompt=vectors, residual=width)
    self.layers.adapt(config, rngs)

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
  abstract = abstract_params(config)
  return rules.tree_shardings(mesh, logical_axes(config), abstract)


def abstract_params(
  config: DecoderConfig, mesh: jax.sharding.Mesh | None = None
) -> Params:
  """Returns the parameters' shapes, types and, with a mesh, shardings."""
  abstract = jax.tree.map(lambda leaf: leaf, _shapes(config))  # A copy.
  if mesh is None:
    return abstract
  return rules.with_shardings(abstract, param_shardings(config, mesh))


@functools.lru_cache(maxsize=4)
def _shapes(config: DecoderConfig) -> Params:
  return jax.eval_shape(lambda: Decoder(config, nnx.Rngs(0)).params())


def cast_matrices(params: Params, dtype: str) -> Params:
  """Returns parameters whose projections and embeddings have another type.

  Computation in that type gives the same results as with the given ones, since
  it casts them before each use. Others are used in float32 and keep it.
  """

  def cast(values):
    return {
      name: value.astype(dtype) if name in _MATRICES else value
      for name, value in values.items()
    }

  return {**cast(params), 'layers': cast(params['layers'])}


def init_params(
  config: DecoderConfig, seed: int, mesh: jax.sharding.Mesh
) -> Params:
  """Returns initial parameters, created in their places on the mesh.

  The same seed yields the same values on every mesh.
  """
  return _initializer(config, mesh)(jnp.uint32(seed))


@functools.lru_cache(maxsize=4)
def _initializer(
  config: DecoderConfig, mesh: jax.sharding.Mesh
) -> Callable[[jax.Array], Params]:
  shardings = param_shardings(config, mesh)
  return jax.jit(lambda seed: drawn(config, seed), out_shardings=shardings)


def drawn(config: DecoderConfig, seed: jax.Array) -> Params:
  """Returns initial parameters while tracing, see `init_params`."""
  with jax.threefry_partitionable(True):
    return Decoder(config, nnx.Rngs(jax.random.key(seed))).params()
