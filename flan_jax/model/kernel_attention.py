"""Attention kernels: JAX's splash attention on TPU, cuDNN's on GPU.

Neither supports a bias, cuDNN's neither branches nor a soft cap. Both compute
in bfloat16. Programs with either are compiled or lowered in tests, but no test
runs them on a TPU or GPU.
"""

import functools
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from flan_jax.model import attention
from flan_jax.model.decoder_config import DecoderConfig
from flan_jax.sharding import rules

# Kernel -> the platform that it runs on.
PLATFORMS = {'splash': 'tpu', 'cudnn': 'gpu'}
# Tokens of a row are a multiple of this: splash needs whole vector registers;
# cuDNN takes the gradient of a mask, which needs an even length.
_ROW_MULTIPLES = {'splash': 128, 'cudnn': 2}
_LARGEST_BLOCK = 512
_BLOCKS = (
  *('block_q', 'block_q_dkv', 'block_q_dq'),
  *('block_kv', 'block_kv_dkv', 'block_kv_dq'),
)
# No query has this number of a segment.
_NOWHERE = -1
_MOST_BRANCHES = 2**16
# Mosaic cannot compile splash's bfloat16 products for these chips.
_WITHOUT_SPLASH = ('TPU v2', 'TPU v3')
# Compute capabilities of Ampere and Hopper, and their widest heads in cuDNN.
_LEAST_CAPABILITY, _HOPPER = 8, 9
_WIDEST_HEAD, _WIDEST_HEAD_OF_HOPPER = 128, 256


def refusal(
  kernel: str,
  config: DecoderConfig,
  mesh: jax.sharding.Mesh,
  length: int | None = None,
) -> str | None:
  """Returns why a kernel cannot run, as the end of a sentence, or None.

  Args:
    kernel: One of `PLATFORMS`.
    config: Shape of the decoder.
    mesh: The devices.
    length: Tokens of a row; None if rows have several lengths, see
      `divides_rows`.
  """
  device = mesh.devices.flat[0]
  platform = PLATFORMS[kernel]
  if device.platform != platform:
    return f'runs on {platform.upper()}s only, not on {device.device_kind}'
  if kernel == 'splash' and device.device_kind in _WITHOUT_SPLASH:
    return f'does not run on {device.device_kind}'
  if config.position == 'relative_bias':
    return "does not support the bias of position='relative_bias'"
  if config.compute_dtype != 'bfloat16':
    return f"needs compute_dtype='bfloat16', not {config.compute_dtype!r}"
  if kernel == 'cudnn':
    unsupported = _unsupported_by_cudnn(config, device)
    if unsupported is not None:
      return unsupported
  repeats = rules.head_repeats(config.num_kv_heads, mesh)
  if config.num_heads % (config.num_kv_heads * repeats):
    return (
      f'cannot divide num_heads={config.num_heads} with num_kv_heads='
      f'{config.num_kv_heads} among model={mesh.shape["model"]} devices: use '
      "attention='blocks'"
    )
  if length is not None and not divides_rows(kernel, length):
    return (
      f'needs a row length that is a multiple of {_ROW_MULTIPLES[kernel]}, not '
      f"{length}: change PACK_LENGTH, or use attention='blocks'"
    )
  return None


def divides_rows(kernel: str, length: int) -> bool:
  """Returns whether a kernel supports rows of so many tokens."""
  return length % _ROW_MULTIPLES[kernel] == 0


def _unsupported_by_cudnn(config, device):
  if config.attention_softcap is not None:
    return 'does not support attention_softcap'
  # Such as 9.0; other makers' GPUs have names, or nothing.
  major = getattr(device, 'compute_capability', '').partition('.')[0]
  if not major.isdecimal() or int(major) < _LEAST_CAPABILITY:
    return f'does not run on {device.device_kind}'
  widest = _WIDEST_HEAD if int(major) < _HOPPER else _WIDEST_HEAD_OF_HOPPER
  if config.head_dim % 8 or config.head_dim > widest:
    return (
      f'needs a head_dim that is a multiple of 8 and at most {widest}, not '
      f'{config.head_dim}'
    )
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

  The length must be a multiple of 128. Under a mesh, each device computes its
  own rows and heads. Key heads are repeated if there are fewer than devices on
  the model axis. `interpret` runs the kernel as plain JAX, on any device.
  Branches need a rule without a window, and have no gradient.
  """
  rule = rule or attention.Rule(query_BxLxHxh.shape[-1] ** -0.5)
  mesh = jax.sharding.get_abstract_mesh()
  key, value = _repeated(mesh, key_BxLxKxh, value_BxLxKxh)

  def attend(rule, *inputs):
    whole = functools.partial(_splash, rule=rule, interpret=interpret)
    return _divided(mesh, whole)(*inputs)

  seen = (context.segments, context.branches)
  inputs = (query_BxLxHxh * rule.scale, key, value, seen)
  far = rule._replace(window=None)
  if rule.window is None or context.windowed is None:
    return attend(rule, *inputs)
  near, far = (functools.partial(attend, one) for one in (rule, far))
  return jax.lax.cond(context.windowed, near, far, *inputs)


def _divided(mesh, attend):
  """Lets each device of a mesh, if there is one, compute its rows and heads."""
  if mesh.empty:
    return attend
  by_head = rules.partition_spec(['batch', 'length', 'heads'])
  by_row = rules.partition_spec(['batch'])
  return jax.shard_map(
    attend,
    in_specs=(by_head, by_head, by_head, by_row),
    out_specs=by_head,
    # The kernels do not declare the axes along which their results vary.
    check_vma=False,
  )


def _repeated(mesh, *heads):
  """Repeats key heads [B, L, K, h] until devices divide them."""
  repeats = rules.head_repeats(heads[0].shape[2], mesh)
  return heads if repeats == 1 else [x.repeat(repeats, 2) for x in heads]


def _splash(query_BxLxHxh, key, value, seen, rule, interpret):
  """Splash attention over the rows and heads of one device.

  `seen` has segments [B, L], and branches [B, L] or None.
  """
  from jax.experimental.pallas.ops.tpu.splash_attention import (
    splash_attention_kernel,
    splash_attention_mask,
  )

  segments_BxL, branches_BxL = seen
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
    save_residuals=branches_BxL is not None,
    interpret=interpret,
  )

  @jax.vmap
  def attend(query, key, value, queries, keys):
    query, key, value = (x.swapaxes(0, 1) for x in (query, key, value))
    ids = splash_attention_kernel.SegmentIds(q=queries, kv=keys)
    return kernel(query, key, value, segment_ids=ids)

  attend = functools.partial(attend, query_BxLxHxh, key, value)
  if branches_BxL is None:
    return attend(segments_BxL, segments_BxL).swapaxes(1, 2)
  prompts = jnp.where(branches_BxL == 0, segments_BxL, _NOWHERE)
  own = jnp.where(branches_BxL > 0, _numbered(*seen), _NOWHERE)
  mixed = _joined(attend(segments_BxL, prompts), attend(_numbered(*seen), own))
  return mixed.astype(query_BxLxHxh.dtype).swapaxes(1, 2)


def _numbered(segments_BxL, branches_BxL):
  """Returns a number for each pair of segment and branch."""
  return segments_BxL * _MOST_BRANCHES + branches_BxL


def _joined(prompt, own):
  """Joins attention to prompts with that to the query's own branch.

  Each has what it yields [B, H, L, h] and the logarithm of the sum of the
  exponential logits [B, H, L], very low if there is nothing to see.
  """
  (prompt, (prompt_sum,)), (own, (own_sum,)) = prompt, own
  share = jax.nn.sigmoid(own_sum - prompt_sum)[..., None]
  return share * own + (1 - share) * prompt


def attend_cudnn(
  query_BxLxHxh: Float[Array, 'B L H h'],
  key_BxLxKxh: Float[Array, 'B L K h'],
  value_BxLxKxh: Float[Array, 'B L K h'],
  context: attention.AttentionContext,
  rule: attention.Rule | None = None,
  implementation: str = 'cudnn',
) -> Float[Array, 'B L H h']:
  """Computes the same as `attention.attend_reference`.

  It supports neither a bias nor a soft cap. The length must be even. Rows and
  heads are divided as by `attend_splash`.

  cuDNN skips the keys after a query, but reads a mask [B, 1, L, L]. It could
  skip other examples of the row, too, by the offsets of packed sequences;
  `jax.nn.dot_product_attention`, in JAX 0.10 to 0.12, does not take them.
  """
  rule = rule or attention.Rule(query_BxLxHxh.shape[-1] ** -0.5)
  mesh = jax.sharding.get_abstract_mesh()
  key, value = _repeated(mesh, key_BxLxKxh, value_BxLxKxh)

  def attend(query, key, value, mask_Bx1xLxL):
    return jax.nn.dot_product_attention(
      *(query, key, value),
      mask=mask_Bx1xLxL,
      scale=rule.scale,
      is_causal=True,
      implementation=implementation,
    )

  mask_Bx1xLxL = attention.seen_keys(context, rule)[:, None]
  return _divided(mesh, attend)(query_BxLxHxh, key, value, mask_Bx1xLxL)
