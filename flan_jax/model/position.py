"""What a query knows about where a key is: relative bias or RoPE.

Both work on positions, never on indices in the row: option branches that share
a prompt restart their positions at the prompt's end.
"""

import functools

import jax.numpy as jnp
from jaxtyping import Array, Float, Int
import numpy as np


@functools.cache
def distance_buckets(num_buckets: int, max_distance: int) -> np.ndarray:
  """The bucket of each distance from 0 to `max_distance`, in tokens.

  Half of the buckets hold one distance each; the others grow geometrically up
  to `max_distance`, from which on all distances share the last bucket. A key is
  never ahead of its query, so no bucket is spent on the other direction.

  >>> distance_buckets(8, 32).tolist()[:13]
  [0, 1, 2, 3, 4, 4, 4, 5, 5, 5, 5, 5, 6]
  """
  exact = num_buckets // 2
  distances = np.arange(max_distance + 1)
  octaves = np.log(np.maximum(distances, exact) / exact)
  octaves /= np.log(max_distance / exact)
  # The small term keeps boundaries that are whole numbers from falling one
  # bucket short through rounding.
  coarse = exact + np.floor(octaves * (num_buckets - exact) + 1e-6)
  coarse = np.minimum(coarse, num_buckets - 1)
  return np.where(distances < exact, distances, coarse).astype(np.int32)


def distance_bias(
  table_ZxH: Float[Array, 'Z H'], max_distance: int
) -> Float[Array, 'H P']:
  """The bias of each head for each distance from 0 to `max_distance`.

  Args:
    table_ZxH: The learned bias of each bucket [Z] and head.
    max_distance: Distance from which on the bias no longer changes.
  """
  buckets_P = distance_buckets(table_ZxH.shape[0], max_distance)
  return jnp.take(table_ZxH, buckets_P, axis=0).T


def relative_bias(
  bias_HxP: Float[Array, 'H P'], positions_BxL: Int[Array, 'B L']
) -> Float[Array, 'B H L L']:
  """Looks the bias of each pair of query and key up.

  Args:
    bias_HxP: From `distance_bias`.
    positions_BxL: Position of each token in its own example.

  Returns:
    What is added to the attention logits, query before key.
  """
  distance_BxLxL = positions_BxL[:, :, None] - positions_BxL[:, None, :]
  distance_BxLxL = jnp.clip(distance_BxLxL, 0, bias_HxP.shape[1] - 1)
  return jnp.moveaxis(jnp.take(bias_HxP, distance_BxLxL, axis=1), 0, 1)


def apply_rope(
  x_BxLxHxh: Float[Array, 'B L H h'],
  positions_BxL: Int[Array, 'B L'],
  base: float,
) -> Float[Array, 'B L H h']:
  """Rotates each pair (i, i + h / 2) of a head by its position.

  Pair i turns by `base ** (-2 i / h)` radians a position, so the product of a
  rotated query and key depends on the difference of their positions only.
  Computed in float32, returned in the type of `x_BxLxHxh`.
  """
  half = x_BxLxHxh.shape[-1] // 2
  frequencies = base ** (-np.arange(half, dtype=np.float32) / half)
  angles = positions_BxL[:, :, None, None].astype(jnp.float32)
  angles = angles * frequencies.astype(np.float32)[None, None, None, :]
  cos, sin = jnp.cos(angles), jnp.sin(angles)
  first, second = jnp.split(x_BxLxHxh.astype(jnp.float32), 2, axis=-1)
  rotated = jnp.concatenate(
    [first * cos - second * sin, second * cos + first * sin], axis=-1
  )
  return rotated.astype(x_BxLxHxh.dtype)
