"""RoPE: queries and keys are rotated by their positions.

It uses positions, not indices in the row: option branches that share a prompt
restart their positions at the end of the prompt.
"""

import dataclasses
import math

import jax.numpy as jnp
from jaxtyping import Array, Float, Int
import numpy as np

from flan_jax.model.decoder_config import DecoderConfig

Rotations = tuple[Float[Array, 'B L 1 R'], Float[Array, 'B L 1 R']]


def frequencies(config: DecoderConfig) -> Float[np.ndarray, ' R']:
  """Returns the angle of each pair of a head [R] per position, in radians.

  Pair i turns by `rope_base ** (-i / R)`, where R is half of `rope_width`. A
  scaled model was first trained on `rope_original_context` tokens, and
  turns the pairs that are slow within them slower by `rope_factor`:

    linear   all pairs (Chen et al. 2023, arXiv:2306.15595)
    llama3   between `rope_slow` and `rope_fast` turns in the original context,
             the share that is kept rises with the turns (Llama 3.1)
    yarn     it rises with the number of the pair (Peng et al. 2023,
             arXiv:2309.00071)
  """
  half = (config.rope_width or config.head_dim) // 2
  fast = config.rope_base ** (-np.arange(half, dtype=np.float32) / half)
  if config.rope_scaling == 'none':
    return fast.astype(np.float32)
  slow = fast / config.rope_factor
  kept = {'linear': _kept_by_none, 'llama3': _kept_by_turns}.get(
    config.rope_scaling, _kept_by_number
  )(config, fast)
  return (slow * (1 - kept) + fast * kept).astype(np.float32)


def _kept_by_none(config, fast):
  del config, fast
  return 0.0


def _kept_by_turns(config, fast):
  turns = config.rope_original_context * fast / (2 * math.pi)
  span = config.rope_fast - config.rope_slow
  return np.clip((turns - config.rope_slow) / span, 0, 1)


def _kept_by_number(config, fast):
  width = 2 * len(fast)

  def number(turns):
    """Returns the number of the pair that turns so often, as a fraction."""
    wavelength = config.rope_original_context / (turns * 2 * math.pi)
    return width * math.log(wavelength) / (2 * math.log(config.rope_base))

  first = max(math.floor(number(config.rope_fast)), 0)
  last = min(math.ceil(number(config.rope_slow)), width - 1)
  # As in YaRN's code, a span of nothing is a step.
  span = last - first or 1e-3
  return 1 - np.clip((np.arange(len(fast)) - first) / span, 0, 1)


def windowed(config: DecoderConfig) -> DecoderConfig:
  """Returns the settings of RoPE in layers with the window."""
  if config.rope_local_base is None:
    return config
  plain = {'rope_scaling': 'none', 'rope_factor': 1.0, 'rope_magnitude': 1.0}
  return dataclasses.replace(
    config, rope_base=config.rope_local_base, rope_local_base=None, **plain
  )


def rotations(
  config: DecoderConfig, positions_BxL: Int[Array, 'B L']
) -> Rotations:
  """Returns cosine and sine of the angle of each position and pair [R].

  Both are multiplied by `rope_magnitude`.
  """
  angles = positions_BxL[:, :, None, None].astype(jnp.float32)
  angles = angles * frequencies(config)[None, None, None, :]
  cos, sin = jnp.cos(angles), jnp.sin(angles)
  if config.rope_magnitude == 1:
    return cos, sin
  return config.rope_magnitude * cos, config.rope_magnitude * sin


def rotate(
  x_BxLxHxh: Float[Array, 'B L H h'], turned: Rotations
) -> Float[Array, 'B L H h']:
  """Rotates each pair (i, i + R) of a head by its position's angle.

  Values of a head from 2 R on stay as they are.

  The product of a rotated query and a rotated key depends only on the
  difference of their positions. Computed in float32, returned in the type of
  `x_BxLxHxh`.
  """
  cos, sin = turned
  half = cos.shape[-1]
  first, second, rest = jnp.split(
    x_BxLxHxh.astype(jnp.float32), [half, 2 * half], axis=-1
  )
  rotated = jnp.concatenate(
    [first * cos - second * sin, second * cos + first * sin, rest], axis=-1
  )
  return rotated.astype(x_BxLxHxh.dtype)
