"""Chooses an implementation of attention."""

import dataclasses

import jax
from jaxtyping import Array, Float

from flan_jax.errors import ConfigError
from flan_jax.model import attention, block_attention, kernel_attention
from flan_jax.model.decoder_config import DecoderConfig
from flan_jax.sharding import mesh as mesh_lib


def resolve_attention(
  config: DecoderConfig,
  mesh: jax.sharding.Mesh,
  gradients: bool = False,
) -> DecoderConfig:
  """Replaces attention 'auto' with the fastest implementation on the mesh.

  Args:
    config: Shape of the decoder.
    mesh: The devices.
    gradients: Whether gradients are computed, too.

  Raises:
    ConfigError: The configured kernel does not support model or devices.
  """
  device = mesh.devices.flat[0]
  if config.attention in kernel_attention.PLATFORMS:
    refusal = kernel_attention.refusal(config.attention, config, device)
    if refusal is not None:
      raise ConfigError(f"attention='{config.attention}' {refusal}.")
  if config.attention != 'auto':
    return config
  if kernel_attention.refusal('splash', config, device) is None:
    chosen = 'splash'
  # Rows that are divided among devices are not divided again. Training has few
  # rows, whose blocks keep the cores busy, and would have to sum the gradients
  # of pieces.
  elif gradients or device.platform != 'cpu' or mesh_lib.batch_shards(mesh) > 1:
    chosen = 'blocks'
  else:
    chosen = 'pieces'
  return dataclasses.replace(config, attention=chosen)


def prepare(
  config: DecoderConfig, context: attention.AttentionContext
) -> attention.AttentionContext:
  """Adds what all layers share to the context."""
  shared = context.bias is not None and context.branches is None
  if not shared or config.attention == 'reference':
    return context
  table = block_attention.bias_table(
    context.bias, context.segments.shape[1], config.attention_block
  )
  return context._replace(bias_table=table)


def attend(
  config: DecoderConfig,
  query_BxLxHxh: Float[Array, 'B L H h'],
  key_BxLxKxh: Float[Array, 'B L K h'],
  value_BxLxKxh: Float[Array, 'B L K h'],
  context: attention.AttentionContext,
) -> Float[Array, 'B L H h']:
  """Computes attention as configured; see `attention.attend_reference`.

  Falls back to blocks for an unresolved 'auto', and for branches and trunks,
  which the kernels do not support.
  """
  heads = (query_BxLxHxh, key_BxLxKxh, value_BxLxKxh)
  rule = attention.Rule.of(config)
  if config.attention == 'reference':
    return attention.attend_reference(*heads, context, rule)
  if context.branches is None and context.trunk is None:
    if config.attention == 'splash':
      return kernel_attention.attend_splash(*heads, context, rule)
    if config.attention == 'cudnn':
      return kernel_attention.attend_cudnn(*heads, context, rule)
  return block_attention.attend_in_blocks(
    *heads, context, config.attention_block, config.attention == 'pieces', rule
  )
