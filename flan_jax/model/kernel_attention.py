"""Attention kernels: JAX's splash attention on TPU, cuDNN's on GPU.

Neither supports a bias or branches, cuDNN's no soft cap. Both compute in
bfloat16.
"""

import functools
import math

import jax
from jaxtyping import Array, Float

from flan_jax.errors import ConfigError
from flan_jax.model import attention
from flan_jax.model.decoder_config import DecoderConfig
from flan_jax.sharding import rules

# Kernel -> the platform that it runs on.
PLATFORMS = {'splash': 'tpu', 'cudnn': 'gpu'}
# Splash needs rows of whole vector registers.
_LANES = 128
_LARGEST_BLOCK = 512
_BLOCKS = (
  *('block_q', 'block_q_dkv', 'block_q_dq'),
  *('block_kv', 'block_kv_dkv', 'block_kv_dq'),
)
# Mosaic cannot compile splash's bfloat16 products for these chips.
_WITHOUT_SPLASH = ('TPU v2', 'TPU v3')


def refusal(
  kernel: str, config: DecoderConfig, device: jax.Device
) -> str | None:
  """Returns why a kernel cannot run, as the end of a sentence, or None."""
  platform = PLATFORMS[kernel]
  if device.platform != platform:
    return f'runs on {platform.upper()}s only, not on {device.device_kind}'
  if kernel == 'splash' and device.device_kind in _WITHOUT_SPLASH:
    return f'does not run on {device.device_kind}'
  if config.position == 'relative_bias':
    return "does not support the bias of position='relative_bias'"
  if config.compute_dtype != 'bfloat16':
    return f"needs compute_dtype='bfloat16', not {config.compute_dtype!r}"
  if kernel == 'cudnn' and config.attention_softcap is not None:
    return 'does not support attention_softcap'
  return None


def attend_splash(
  query_BxLxHxh: Float[Array, 'B L H h'],
  key_BxLxKxh: Float[Array, 'B L K h'],
  value_BxLxKxh: Float[Array, 'B L K h'],
  context: attention.AttentionContext,
  rule: attention.Rule | None = None,
  interpret: bool = False,
) -> Float[Array, 'B L H h']:
  """Computes the same as `attention.attend_reference`, without a bias.

  Under a mesh, each device computes its own rows and heads. Key heads are
  repeated if there are fewer than devices on the model axis. `interpret` runs
  the kernel as plain JAX, on any device.

  Raises:
    ConfigError: The row length is not a multiple of 128, or the mesh cannot
      divide the heads.
  """
  length, heads, width = query_BxLxHxh.shape[1:]
  if length % _LANES:
    raise ConfigError(
      f"attention='splash' needs a row length that is a multiple of {_LANES}, "
      f"not {length}: change PACK_LENGTH, or use attention='blocks'."
    )
  rule = rule or attention.Rule(width**-0.5)
  query, key, value = query_BxLxHxh * rule.scale, key_BxLxKxh, value_BxLxKxh
  mesh = jax.sharding.get_abstract_mesh()
  if not mesh.empty:
    repeats = _repeats(heads, key.shape[2], mesh.shape['model'])
    key, value = (x.repeat(repeats, axis=2) for x in (key, value))

  def attend(rule, *inputs):
    whole = functools.partial(_splash, rule=rule, interpret=interpret)
    return (whole if mesh.empty else _divided(whole))(*inputs)

  inputs = (query, key, value, context.segments)
  far = rule._replace(window=None)
  if rule.window is None or context.windowed is None:
    return attend(rule, *inputs)
  near, far = (functools.partial(attend, one) for one in (rule, far))
  return jax.lax.cond(context.windowed, near, far, *inputs)


def _divided(attend):
  """Lets each device compute its own rows and heads."""
  by_head = rules.partition_spec(['batch', 'length', 'heads'])
  by_row = rules.partition_spec(['batch', 'length'])
  return jax.shard_map(
    attend,
    in_specs=(by_head, by_head, by_head, by_row),
    out_specs=by_head,
    # The kernel does not declare the axes along which its result varies.
    check_vma=False,
  )


def _repeats(heads, kv_heads, devices):
  """Returns how often to repeat key heads so that devices divide them."""
  repeats = devices // math.gcd(kv_heads, devices)
  if heads % (kv_heads * repeats):
    raise ConfigError(
      f"attention='splash' cannot divide {heads} heads with {kv_heads} key "
      f"heads among model={devices} devices: use attention='blocks'."
    )
  return repeats


def _splash(query_BxLxHxh, key, value, segments_BxL, rule, interpret):
  """Splash attention over the rows and heads of one device."""
  from jax.experimental.pallas.ops.tpu.splash_attention import (
    splash_attention_kernel,
    splash_attention_mask,
  )

  length, heads = query_BxLxHxh.shape[1:3]
  mask = splash_attention_mask.CausalMask((length, length))
  if rule.window is not None and rule.window < length:
    # Without branches, a key is as many indices back as positions.
    sides = (rule.window - 1, 0)
    mask = splash_attention_mask.LocalMask((length, length), sides, offset=0)
  sizes = dict.fromkeys(_BLOCKS, math.gcd(length, _LARGEST_BLOCK))
  kernel = splash_attention_kernel.make_splash_mha_single_device(
    splash_attention_mask.MultiHeadMask([mask] * heads),
    block_sizes=splash_attention_kernel.BlockSizes(**sizes),
    attn_logits_soft_cap=rule.softcap,
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
  context: attention.AttentionContext,
  rule: attention.Rule | None = None,
  implementation: str = 'cudnn',
) -> Float[Array, 'B L H h']:
  """Computes the same as `attention.attend_reference`.

  It supports neither a bias nor a soft cap.
  """
  rule = rule or attention.Rule(query_BxLxHxh.shape[-1] ** -0.5)
  mask = attention.seen_keys(context, rule)[:, None]
  heads = (query_BxLxHxh, key_BxLxKxh, value_BxLxKxh)
  return jax.nn.dot_product_attention(
    *heads, mask=mask, scale=rule.scale, implementation=implementation
  )
