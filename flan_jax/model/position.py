"""Relative position bias; `rope` has the other encoding of positions.

It uses positions, not indices in the row: option branches that share a prompt
restart their positions at the end of the prompt.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int
import numpy as np


@functools.cache
def distance_buckets(num_buckets: int, max_distance: int) -> np.ndarray:
  """Returns the bucket of each distance from 0 to `max_distance`, in tokens.

  Half of the buckets hold one distance each. The others grow geometrically up
  to `max_distance`, from which on all distances share the last bucket. A key
  never comes after its query, so no bucket covers that direction.

  >>> distance_buckets(8, 32).tolist()[:13]
  [0, 1, 2, 3, 4, 4, 4, 5, 5, 5, 5, 5, 6]
  """
  exact = num_buckets // 2
  distances = np.arange(max_distance + 1)
  octaves = np.log(np.maximum(distances, exact) / exact)
  octaves /= np.log(max_distance / exact)
  # The small term keeps rounding from moving integer boundaries down a bucket.
  coarse = exact + np.floor(octaves * (num_buckets - exact) + 1e-6)
  coarse = np.minimum(coarse, num_buckets - 1)
  return np.where(distances < exact, distances, coarse).astype(np.int32)


def distance_bias(
  table_ZxH: Float[Array, 'Z H'], max_distance: int
) -> Float[Array, 'H P']:
  """Spreads the learned bias of each bucket [Z] over distances [P]."""
  buckets_P = distance_buckets(table_ZxH.shape[0], max_distance)
  return jnp.take(table_ZxH, buckets_P, axis=0).T


def relative_bias(
  bias_HxP: Float[Array, 'H P'],
  positions_BxL: Int[Array, 'B L'],
  queries: slice = slice(None),
  keys: slice = slice(None),
) -> Float[Array, 'B H Q S']:
  """Returns the term to add to the logits of each query and key.

  Args:
    bias_HxP: From `distance_bias`.
    positions_BxL: Position of each token in its own example.
    queries: Indices of the queries.
    keys: Indices of the keys.
  """
  return look_up(
    bias_HxP, positions_BxL[:, queries, None] - positions_BxL[:, None, keys]
  )


def look_up(
  bias_HxP: Float[Array, 'H P'], distance: Int[Array, 'B ... S']
) -> Float[Array, 'B H ... S']:
  """Returns the bias of distances; negative ones count as 0."""
  distance = jnp.clip(distance, 0, bias_HxP.shape[1] - 1)
  return jax.lax.platform_dependent(
    bias_HxP, distance, tpu=_one_hot_product, default=_take
  )


def _take(bias_HxP, distance):
  return jnp.moveaxis(jnp.take(bias_HxP, distance, axis=1), 0, 1)


def _one_hot_product(bias_HxP, distance):
  """Looks up by a product: a TPU gathers scalars one after the other."""
  one_hot = jax.nn.one_hot(distance, bias_HxP.shape[1], dtype=bias_HxP.dtype)
  # In full precision, a sum of zeros and one number is that number.
  return jnp.einsum(
    'B...P,HP->BH...', one_hot, bias_HxP, precision=jax.lax.Precision.HIGHEST
  )


def index_bias(
  bias_HxP: Float[Array, 'H P'], queries: slice, keys: slice
) -> Float[Array, 'H Q S']:
  """Returns the relative bias of contiguous positions, the same for all rows.

  Each row of the result is the previous one shifted by one place. The result is
  therefore made, and its gradient summed, by reshaping instead of look-ups. The
  slices of queries and keys need a start and a stop.
  """
  rows, columns = queries.stop - queries.start, keys.stop - keys.start
  # All distances, from that of the last query to the first key down to that of
  # the first query to the last key, which is hidden if it comes later. One more
  # lets a single row be shifted as well.
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
  """Looks up falling distances: first the largest, which repeats, last 0."""
  last = bias_HxP.shape[1] - 1
  far, near = int((distances == last).sum()), int((distances == 0).sum())
  between = distances[far : len(distances) - near]
  parts = [jnp.repeat(bias_HxP[:, last:], far, axis=1)]
  if len(between):
    parts.append(bias_HxP[:, between[-1] : between[0] + 1][:, ::-1])
  parts.append(jnp.repeat(bias_HxP[:, :1], near, axis=1))
  return jnp.concatenate(parts, axis=1)
