"""The computation of a layer.

All functions take the weights of one layer, named as in `parameters`.
"""

from collections.abc import Callable, Mapping
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from flan_jax.model import rope
from flan_jax.model.decoder_config import DecoderConfig
from flan_jax.model.parameters import LORA_A, LORA_B
from flan_jax.model.transposed import Transposed
from flan_jax.sharding import rules

Weights = Mapping[str, Array]

_ACTIVATIONS = {
  'gelu': jax.nn.gelu,
  'gelu_exact': functools.partial(jax.nn.gelu, approximate=False),
  'silu': jax.nn.silu,
}


def normalize(
  config: DecoderConfig, weights: Weights, name: str, x: Float[Array, '... D']
) -> Float[Array, '... D']:
  """Applies the norm of this name as configured; keeps the type of `x`."""
  scale = _scale(config, weights, name)
  if config.norm == 'rms':
    return rms_norm(x, scale, config.norm_eps)
  wide = x.astype(jnp.float32)
  centered = wide - jnp.mean(wide, axis=-1, keepdims=True)
  normed = rms_norm(centered, scale, config.norm_eps)
  return (normed + _along(weights[f'{name}_bias'], x)).astype(x.dtype)


def _scale(config, weights, name):
  """Returns what the norm of this name multiplies by."""
  return 1 + weights[name] if config.norm_from_one else weights[name]


def rms_norm(
  x: Float[Array, '... D'], scale_D: Float[Array, ' D'], eps: float
) -> Float[Array, '... D']:
  """Divides by the root mean square in float32; keeps the type of `x`."""
  wide = x.astype(jnp.float32)
  mean_square = jnp.mean(jnp.square(wide), axis=-1, keepdims=True)
  scale = _along(scale_D, x)
  return (wide * jax.lax.rsqrt(mean_square + eps) * scale).astype(x.dtype)


def _along(values_D, x):
  """Returns values with as many axes as `x`, along its last one."""
  return jnp.expand_dims(values_D, tuple(range(x.ndim - 1)))


def layer(
  config: DecoderConfig,
  weights: Weights,
  x_BxLxD: Float[Array, 'B L D'],
  rotations: Any,
  attend: Callable[..., Float[Array, 'B L H h']],
  drop: Callable[..., Float[Array, 'B L D']] = lambda added, place: added,
) -> Float[Array, 'B L D']:
  """Returns the residual stream after a layer.

  Takes the arguments of `attention_block`, and what drops values of what the
  blocks, numbered 0 and 1, add to the stream.
  """
  read = x_BxLxD
  added = attention_block(config, weights, read, rotations, attend)
  x_BxLxD += drop(added, 0)
  if not config.parallel_block:
    read = x_BxLxD
  return x_BxLxD + drop(feed_forward_block(config, weights, read), 1)


def attention_block(
  config: DecoderConfig,
  weights: Weights,
  x_BxLxD: Float[Array, 'B L D'],
  rotations: Any,
  attend: Callable[..., Float[Array, 'B L H h']],
) -> Float[Array, 'B L D']:
  """Returns what attention adds to the residual stream.

  Args:
    config: Shape of the decoder.
    weights: Weights of the layer.
    x_BxLxD: The residual stream.
    rotations: From `rope.rotations`; None without RoPE.
    attend: Maps queries [B, L, H, h], keys and values [B, L, K, h] to
      [B, L, H, h].
  """
  y_BxLxD = _read(config, weights, 'attention', x_BxLxD)

  def heads(name, axis):
    projected = _linear(config, weights, name, y_BxLxD)
    projected = rules.constrain(projected, 'batch', 'length', axis)
    by_head = (*x_BxLxD.shape[:2], -1, config.head_dim)
    if name == 'value':
      return projected.reshape(by_head)
    if config.qk_norm:
      if config.qk_norm_heads == 'each':
        projected = projected.reshape(by_head)
      scale = _scale(config, weights, f'{name}_norm')
      projected = rms_norm(projected, scale, config.norm_eps)
    projected = projected.reshape(by_head)
    if rotations is not None:
      projected = rope.rotate(projected, rotations)
    return projected

  mixed = attend(
    heads('query', 'heads'), heads('key', 'kv'), heads('value', 'kv')
  )
  mixed = mixed.reshape(*x_BxLxD.shape[:2], -1)
  return _added(
    config, weights, 'attention', _linear(config, weights, 'output', mixed)
  )


def feed_forward_block(
  config: DecoderConfig, weights: Weights, x_BxLxD: Float[Array, 'B L D']
) -> Float[Array, 'B L D']:
  """Returns what the feed-forward layer adds to the residual stream."""
  y_BxLxD = _read(config, weights, 'feed_forward', x_BxLxD)
  if config.gated:
    gate, up = (
      _linear(config, weights, name, y_BxLxD) for name in ('gate', 'up')
    )
    hidden = _gated(config.activation, gate, up)
  else:
    hidden = _ACTIVATIONS[config.activation](
      _linear(config, weights, 'up', y_BxLxD)
    )
  hidden = rules.constrain(hidden, 'batch', 'length', 'mlp')
  return _added(
    config, weights, 'feed_forward', _linear(config, weights, 'down', hidden)
  )


def _read(config, weights, block, x_BxLxD):
  """Returns what a block reads of the residual stream."""
  if config.norm_place == 'after':
    return x_BxLxD
  return normalize(config, weights, f'{block}_norm', x_BxLxD)


def _added(config, weights, block, x_BxLxD):
  """Returns what a block adds to the residual stream."""
  if config.norm_place == 'before':
    return x_BxLxD
  return normalize(config, weights, f'{block}_norm_after', x_BxLxD)


def _linear(config, weights, name, x_BxLxX):
  """Computes a projection with its adapter and bias, if it has them."""
  projected = _times(x_BxLxX, weights[name])
  if name + LORA_A in weights:
    low_BxLxr = _times(x_BxLxX, weights[name + LORA_A])
    added = _times(low_BxLxr, weights[name + LORA_B])
    projected = projected + config.lora_scale * added
  bias = weights.get(f'{name}_bias')
  if bias is None:
    return projected
  return projected + bias.astype(projected.dtype)[None, None]


def _times(x_BxLxX, matrix):
  if isinstance(matrix, Transposed):
    return matrix.times(x_BxLxX)
  return _project(x_BxLxX, matrix)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _gated(activation, gate, up):
  """Multiplies the activated gate with the other branch.

  The gradient recomputes the activation. By default, half a dozen arrays of
  the feed-forward layer's width would be kept.
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
  """Multiplies with a parameter, in the type of `x_BxLxX`.

  The parameter's gradient has the parameter's type, unrounded. On a CPU, its
  product transposes the narrower of the two activations, while the default one
  may transpose that of the feed-forward layer.
  """
  return jnp.einsum('BLX,XY->BLY', x_BxLxX, weights_XxY.astype(x_BxLxX.dtype))


def _project_forward(x_BxLxX, weights_XxY):
  return _project(x_BxLxX, weights_XxY), (x_BxLxX, weights_XxY)


def _project_backward(kept, grad_BxLxY):
  x_BxLxX, weights_XxY = kept
  times = functools.partial(jnp.einsum, precision=precision_of(x_BxLxX.dtype))
  grad_BxLxX = times(
    'BLY,XY->BLX', grad_BxLxY, weights_XxY.astype(x_BxLxX.dtype)
  )
  product = functools.partial(times, preferred_element_type=weights_XxY.dtype)
  plain = functools.partial(product, 'BLX,BLY->XY')
  if x_BxLxX.shape[-1] <= grad_BxLxY.shape[-1]:
    return grad_BxLxX, plain(x_BxLxX, grad_BxLxY)

  def transposed(x_BxLxX, grad_BxLxY):
    grad_YxX = product('BLY,BLX->YX', grad_BxLxY, x_BxLxX)
    # Without the barrier, XLA swaps the activations back.
    return jax.lax.optimization_barrier(grad_YxX).T

  grad_XxY = jax.lax.platform_dependent(
    x_BxLxX, grad_BxLxY, cpu=transposed, default=plain
  )
  return grad_BxLxX, grad_XxY


_project.defvjp(_project_forward, _project_backward)


def dropout(
  config: DecoderConfig,
  x: Float[Array, 'B L D'],
  key: Array | None,
  number: Any,
  place: int,
) -> Float[Array, 'B L D']:
  """Drops values; the key depends on the layer and the place within it."""
  if key is None or config.dropout_rate == 0.0:
    return x
  key = jax.random.fold_in(key, 2 * number + place)
  keep = 1.0 - config.dropout_rate
  kept = jax.random.bernoulli(key, keep, x.shape)
  return jnp.where(kept, x / keep, 0).astype(x.dtype)


def matmul_precision(config: DecoderConfig):
  """Returns a context in which float32 products have full precision."""
  return jax.default_matmul_precision(precision_of(config.compute_dtype))


def precision_of(dtype) -> str | None:
  """Returns the precision for products of this type, see `matmul_precision`."""
  return 'highest' if dtype == 'float32' else None
