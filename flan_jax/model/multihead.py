"""Chooses an implementation of attention."""

import dataclasses
import functools

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
  length: int | None = None,
) -> DecoderConfig:
  """Replaces attention 'auto' with the fastest implementation on the mesh.

  Args:
    config: Shape of the decoder.
    mesh: The devices.
    gradients: Whether gradients are computed, too.
    length: Tokens of every row; None if rows have several lengths. See `attend`
      for those that a kernel does not support.

  Raises:
    ConfigError: The configured kernel does not support model, devices or rows.
  """
  device = mesh.devices.flat[0]
  refuse = functools.partial(
    kernel_attention.refusal, config=config, mesh=mesh, length=length
  )
  if config.attention in kernel_attention.PLATFORMS:
    refusal = refuse(config.attention)
    if refusal is not None:
      raise ConfigError(f"attention='{config.attention}' {refusal}.")
  if config.attention != 'auto':
    return config
  for kernel in kernel_attention.PLATFORMS:
    if refuse(kernel) is None:
      return dataclasses.replace(config, attention=kernel)
  # Rows that are divided among devices are not divided again. Training has few
  # rows, whose blocks keep the cores busy, and would have to sum the gradients
  # of pieces.
  if gradients or device.platform != 'cpu' or mesh_lib.batch_shards(mesh) > 1:
    chosen = 'blocks'
  else:
    chosen = 'pieces'
  return dataclasses.replace(config, attention=chosen)


def computing_in(config: DecoderConfig, compute_dtype: str) -> DecoderConfig:
  """Returns a decoder that computes in another type.

  It loses a kernel that was chosen: kernels need bfloat16.
  """
  chosen = config.attention
  if chosen in kernel_attention.PLATFORMS and compute_dtype != 'bfloat16':
    chosen = 'auto'
  return dataclasses.replace(
    config, compute_dtype=compute_dtype, attention=chosen
  )


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

  Falls back to blocks for an unresolved 'auto', and for branches, trunks and
  row lengths that the configured kernel does not support.
  """
  heads = (query_BxLxHxh, key_BxLxKxh, value_BxLxKxh)
  rule = attention.Rule.of(config)
  if config.attention == 'reference':
    return attention.attend_reference(*heads, context, rule)
  if _kernel_supports(config, context):
    if config.attention == 'splash':
      return kernel_attention.attend_splash(*heads, context, rule)
    return kernel_attention.attend_cudnn(*heads, context, rule)
  return block_attention.attend_in_blocks(
    *heads, context, config.attention_block, config.attention == 'pieces', rule
  )


def _kernel_supports(config, context):
  """Returns whether a kernel is configured that supports these rows."""
  if config.attention not in kernel_attention.PLATFORMS:
    return False
  if context.trunk is not None:
    return False
  if context.branches is not None:
    # A branch restarts its positions, so a window is no range of indices.
    if config.attention != 'splash' or config.window is not None:
      return False
  length = context.segments.shape[1]
  return kernel_attention.divides_rows(config.attention, length)
