"""Chooses how attention is computed."""

import dataclasses

import jax
from jaxtyping import Array, Float

from flan_jax.model import attention, block_attention, kernel_attention
from flan_jax.model import decoder_config as config_lib
from flan_jax.sharding import mesh as mesh_lib


def resolve_attention(
  config: config_lib.DecoderConfig,
  mesh: jax.sharding.Mesh,
  gradients: bool = False,
) -> config_lib.DecoderConfig:
  """Replaces attention 'auto' by what is fastest on the mesh's devices.

  Args:
    config: Shape of the decoder.
    mesh: Where it runs.
    gradients: Whether gradients are computed, too.

  Raises:
    ValueError: the kernel that the configuration names cannot do what the model
      needs, or not on these devices.
  """
  device = mesh.devices.flat[0]
  if config.attention == 'auto':
    return dataclasses.replace(
      config, attention=_fastest(config, mesh, gradients)
    )
  refusal = None
  if config.attention == 'splash':
    refusal = kernel_attention.splash_refusal(config, device)
  elif config.attention == 'cudnn':
    refusal = kernel_attention.cudnn_refusal(config, device)
  if refusal is not None:
    raise ValueError(f"attention='{config.attention}' {refusal}.")
  return config


def _fastest(
  config: config_lib.DecoderConfig, mesh: jax.sharding.Mesh, gradients: bool
) -> str:
  device = mesh.devices.flat[0]
  if kernel_attention.splash_refusal(config, device) is None:
    return 'splash'
  # Rows that devices share are not taken apart; and training has few of them,
  # whose blocks keep cores busy, while gradients of pieces have to be summed.
  if gradients or device.platform != 'cpu' or mesh_lib.batch_shards(mesh) > 1:
    return 'blocks'
  return 'pieces'


def prepare(
  config: config_lib.DecoderConfig, sight: attention.AttentionContext
) -> attention.AttentionContext:
  """Adds what all layers share."""
  if sight.bias is None or sight.branches is not None:
    return sight
  if config.attention == 'reference':
    return sight
  table = block_attention.bias_table(
    sight.bias, sight.segments.shape[1], config.attention_block
  )
  return sight._replace(bias_table=table)


def attend(
  config: config_lib.DecoderConfig,
  query_BxLxHxh: Float[Array, 'B L H h'],
  key_BxLxKxh: Float[Array, 'B L K h'],
  value_BxLxKxh: Float[Array, 'B L K h'],
  sight: attention.AttentionContext,
) -> Float[Array, 'B L H h']:
  """Attention as the configuration says; see `attention.attend_reference`.

  'auto' that no `resolve_attention` has replaced, and branches, which no kernel
  knows,
  are computed in blocks.
  """
  heads = (query_BxLxHxh, key_BxLxKxh, value_BxLxKxh)
  if config.attention == 'reference':
    return attention.attend_reference(*heads, sight)
  if sight.branches is None:
    if config.attention == 'splash':
      return kernel_attention.attend_splash(*heads, sight)
    if config.attention == 'cudnn':
      return kernel_attention.attend_cudnn(*heads, sight)
  return block_attention.attend_in_blocks(
    *heads, sight, config.attention_block, config.attention == 'pieces'
  )
