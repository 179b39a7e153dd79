"""Attention by kernels: JAX's splash attention on TPU, cuDNN's on GPU.

Neither knows a bias or branches. Both compute in bfloat16.
"""

import functools
import math

import jax
from jaxtyping import Array, Float

from flan_jax.model import attention
from flan_jax.model import decoder_config as config_lib
from flan_jax.sharding import rules

# Splash's masks and segments lie in registers of so many numbers.
_LANES = 128
_LARGEST_BLOCK = 512
# Their matrix units know no bfloat16 right-hand side in memory.
_WITHOUT_SPLASH = ('TPU v2', 'TPU v3')


def splash_refusal(
  config: config_lib.DecoderConfig, device: jax.Device
) -> str | None:
  """Why splash attention cannot be used, as the end of a sentence, or None."""
  if device.platform != 'tpu':
    return f'runs on TPUs only, not on {device.device_kind}'
  if device.device_kind in _WITHOUT_SPLASH:
    return f'does not run on {device.device_kind}'
  return _refusal(config)


def cudnn_refusal(
  config: config_lib.DecoderConfig, device: jax.Device
) -> str | None:
  """Why cuDNN's attention cannot be used, as the end of a sentence, or None."""
  if device.platform != 'gpu':
    return f'runs on GPUs only, not on {device.device_kind}'
  return _refusal(config)


def _refusal(config):
  if config.position == 'relative_bias':
    return "adds no bias, which position='relative_bias' needs"
  if config.compute_dtype != 'bfloat16':
    return f"needs compute_dtype='bfloat16', not {config.compute_dtype!r}"
  return None


def attend_splash(
  query_BxLxHxh: Float[Array, 'B L H h'],
  key_BxLxKxh: Float[Array, 'B L K h'],
  value_BxLxKxh: Float[Array, 'B L K h'],
  sight: attention.AttentionContext,
  interpret: bool = False,
) -> Float[Array, 'B L H h']:
  """Equals `attention.attend_reference` without bias and branches.

  Under a mesh each device works on its rows and heads; key heads are repeated
  where there are fewer than devices along the heads.

  Args:
    query_BxLxHxh: Queries.
    key_BxLxKxh: Keys.
    value_BxLxKxh: Values.
    sight: Who sees whom.
    interpret: Runs the kernel as plain JAX, on any device.

  Raises:
    ValueError: rows are no multiple of 128 tokens.
  """
  length, heads, width = query_BxLxHxh.shape[1:]
  if length % _LANES:
    raise ValueError(
      f"attention='splash' needs rows of a multiple of {_LANES} tokens, not "
      f"{length}: change PACK_LENGTH, or use attention='blocks'."
    )
  arguments = (
    query_BxLxHxh * width**-0.5,
    key_BxLxKxh,
    value_BxLxKxh,
    sight.segments,
  )
  local = functools.partial(_splash, interpret=interpret)
  mesh = jax.sharding.get_abstract_mesh()
  if mesh.empty:
    return local(*arguments)
  repeats = _repeats(heads, key_BxLxKxh.shape[2], mesh.shape['model'])
  query, key, value, segments = arguments
  key, value = (x.repeat(repeats, axis=2) for x in (key, value))
  by_head = rules.partition_spec(['batch', 'length', 'heads'])
  by_row = rules.partition_spec(['batch', 'length'])
  return jax.shard_map(
    local,
    in_specs=(by_head, by_head, by_head, by_row),
    out_specs=by_head,
    # The kernel does not say along which axes what it returns varies.
    check_vma=False,
  )(query, key, value, segments)


def _repeats(heads, kv_heads, devices):
  """How often key heads are repeated so that devices divide them."""
  repeats = devices // math.gcd(kv_heads, devices)
  if heads % (kv_heads * repeats):
    raise ValueError(
      f"attention='splash' cannot divide {kv_heads} key heads of {heads} heads "
      f"among model={devices} devices: use attention='blocks'."
    )
  return repeats


def _splash(query_BxLxHxh, key, value, segments_BxL, interpret):
  """Splash attention over the rows and heads of one device."""
  from jax.experimental.pallas.ops.tpu.splash_attention import (
    splash_attention_kernel,
    splash_attention_mask,
  )

  length, heads = query_BxLxHxh.shape[1:3]
  mask = splash_attention_mask.CausalMask((length, length))
  block = math.gcd(length, _LARGEST_BLOCK)
  kernel = splash_attention_kernel.make_splash_mha_single_device(
    splash_attention_mask.MultiHeadMask([mask] * heads),
    block_sizes=splash_attention_kernel.BlockSizes(
      block_q=block,
      block_kv=block,
      block_q_dkv=block,
      block_kv_dkv=block,
      block_q_dq=block,
      block_kv_dq=block,
    ),
    interpret=interpret,
  )

  def row(query, key, value, segments):
    query, key, value = (x.swapaxes(0, 1) for x in (query, key, value))
    ids = splash_attention_kernel.SegmentIds(q=segments, kv=segments)
    return kernel(query, key, value, segment_ids=ids).swapaxes(0, 1)

  return jax.vmap(row)(query_BxLxHxh, key, value, segments_BxL)


def attend_cudnn(
  query_BxLxHxh: Float[Array, 'B L H h'],
  key_BxLxKxh: Float[Array, 'B L K h'],
  value_BxLxKxh: Float[Array, 'B L K h'],
  sight: attention.AttentionContext,
  implementation: str = 'cudnn',
) -> Float[Array, 'B L H h']:
  """Equals `attention.attend_reference` without bias and branches.

  Args:
    query_BxLxHxh: Queries.
    key_BxLxKxh: Keys.
    value_BxLxKxh: Values.
    sight: Who sees whom.
    implementation: See `jax.nn.dot_product_attention`.
  """
  visible = attention.visible_keys(sight.segments)
  return jax.nn.dot_product_attention(
    query_BxLxHxh,
    key_BxLxKxh,
    value_BxLxKxh,
    mask=visible[:, None],
    implementation=implementation,
  )
