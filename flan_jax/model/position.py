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
  bias_HxP: Float[Array, 'H P'],
  positions_BxL: Int[Array, 'B L'],
  queries: slice = slice(None),
  keys: slice = slice(None),
) -> Float[Array, 'B H Q S']:
  """Looks the bias of each pair of query and key up.

  Args:
    bias_HxP: From `distance_bias`.
    positions_BxL: Position of each token in its own example.
    queries: Indices of the queries that are wanted; all by default.
    keys: Likewise of the keys.

  Returns:
    What is added to the attention logits, query before key.
  """
  distance = positions_BxL[:, queries, None] - positions_BxL[:, None, keys]
  distance = jnp.clip(distance, 0, bias_HxP.shape[1] - 1)
  return jnp.moveaxis(jnp.take(bias_HxP, distance, axis=1), 0, 1)


def index_bias(
  bias_HxP: Float[Array, 'H P'], queries: slice, keys: slice
) -> Float[Array, 'H Q S']:
  """The same where positions rise with the index, so that all rows share it.

  Every row of the table is the one before it, moved by one place; so it is
  made, and its gradient summed, by reshaping and without any look-up.

  Args:
    bias_HxP: From `distance_bias`.
    queries: Indices of the queries, with start and stop.
    keys: Likewise of the keys.
  """
  rows, columns = queries.stop - queries.start, keys.stop - keys.start
  # The distances that occur, from that of the last query to the first key
  # down to that of the first query to the last key (then ahead, and hidden),
  # and one more, so that a single row can be moved as well.
  distances = np.arange(
    queries.stop - 1 - keys.start, queries.start - keys.stop - 1, -1
  )
  distances = np.clip(distances, 0, bias_HxP.shape[1] - 1)
  bias_HxR = _take_runs(bias_HxP, distances)
  heads, width = bias_HxR.shape
  flat = jnp.broadcast_to(bias_HxR[:, None], (heads, rows, width))
  flat = flat.reshape(heads, rows * width)[:, rows - 1 :]
  flat = flat[:, : rows * (width - 1)]
  return flat.reshape(heads, rows, width - 1)[:, :, :columns]


def _take_runs(bias_HxP, distances):
  """Looks falling distances up: the last repeated, then all, then the first."""
  last = bias_HxP.shape[1] - 1
  far, near = int((distances == last).sum()), int((distances == 0).sum())
  between = distances[far : len(distances) - near]
  parts = [jnp.repeat(bias_HxP[:, last:], far, axis=1)]
  if len(between):
    parts.append(bias_HxP[:, between[-1] : between[0] + 1][:, ::-1])
  parts.append(jnp.repeat(bias_HxP[:, :1], near, axis=1))
  return jnp.concatenate(parts, axis=1)


def rope_rotations(
  positions_BxL: Int[Array, 'B L'], width: int, base: float
) -> tuple[Float[Array, 'B L 1 R'], Float[Array, 'B L 1 R']]:
  """Cosine and sine of the angle of each position and pair of a head [R].

  Pair i turns by `base ** (-i / R)` radians a position.

  Args:
    positions_BxL: Position of each token in its own example.
    width: Of a head; R is half of it.
    base: Of the geometric series of wavelengths.
  """
  half = width // 2
  frequencies = base ** (-np.arange(half, dtype=np.float32) / half)
  angles = positions_BxL[:, :, None, None].astype(jnp.float32)
  angles = angles * frequencies.astype(np.float32)[None, None, None, :]
  return jnp.cos(angles), jnp.sin(angles)


def apply_rope(
  x_BxLxHxh: Float[Array, 'B L H h'],
  rotations: tuple[Float[Array, 'B L 1 R'], Float[Array, 'B L 1 R']],
) -> Float[Array, 'B L H h']:
  """Rotates each pair (i, i + R) of a head by its position's angle.

  The product of a rotated query and key depends on the difference of their
  positions only. Computed in float32, returned in the type of `x_BxLxHxh`.
  """
  cos, sin = rotations
  first, second = jnp.split(x_BxLxHxh.astype(jnp.float32), 2, axis=-1)
  rotated = jnp.concatenate(
    [first * cos - second * sin, second * cos + first * sin], axis=-1
  )
  return rotated.astype(x_BxLxHxh.dtype)
