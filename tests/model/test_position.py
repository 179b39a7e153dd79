import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flan_jax.model import position


def test_small_distances_have_their_own_buckets():
  buckets = position.distance_buckets(32, 128)
  assert buckets[:17].tolist() == list(range(17))
  assert (np.diff(buckets) >= 0).all()
  assert buckets[-1] == 31
  assert set(buckets.tolist()) == set(range(32))


@pytest.mark.parametrize('exponent', range(1, 5))
def test_integer_boundaries_open_a_bucket(exponent):
  # 4 exact buckets, then one per doubling: 4, 8, 16, 32. Rounding in the
  # logarithm could leave 8 or 16 in the bucket below.
  buckets = position.distance_buckets(8, 64)
  boundary = 4 * 2**exponent
  assert buckets[boundary] == min(4 + exponent, 7)
  assert buckets[boundary - 1] == 4 + exponent - 1


def test_relative_bias_depends_on_positions_not_indices():
  table = jax.random.normal(jax.random.key(0), (8, 2))
  bias = position.distance_bias(table, 32)
  positions = jnp.array([[0, 1, 2, 2, 9]])
  got = position.relative_bias(bias, positions)
  buckets = position.distance_buckets(8, 32)
  assert got.shape == (1, 2, 5, 5)
  for query in range(5):
    for key in range(query + 1):
      distance = int(positions[0, query] - positions[0, key])
      np.testing.assert_array_equal(
        got[0, :, query, key], table[buckets[distance]]
      )


def test_a_tpu_looks_biases_up_by_a_product():
  bias = jax.random.normal(jax.random.key(0), (2, 9))
  distance = jax.random.randint(jax.random.key(1), (3, 4, 5), -4, 14)
  look_up = jax.jit(position.look_up)
  text = {
    name: look_up.trace(bias, distance).lower(lowering_platforms=(name,))
    for name in ('cpu', 'tpu')
  }
  found = {name: 'gather' in low.as_text() for name, low in text.items()}
  assert found == {'cpu': True, 'tpu': False}
  product = position._one_hot_product(bias, jnp.clip(distance, 0, 8))
  np.testing.assert_array_equal(product, look_up(bias, distance))


@pytest.mark.slow_but_first
@pytest.mark.parametrize(
  ('queries', 'keys'),
  [((0, 5), (0, 5)), ((4, 5), (0, 5)), ((3, 9), (0, 9)), ((20, 24), (2, 24))],
)
def test_index_bias_matches_the_relative_bias(queries, keys):
  table = jax.random.normal(jax.random.key(0), (8, 2))
  bias = position.distance_bias(table, 16)
  queries, keys = slice(*queries), slice(*keys)
  ahead = np.arange(24)[queries, None] < np.arange(24)[None, keys]

  def looked_up(bias):
    return position.relative_bias(bias, jnp.arange(24)[None], queries, keys)[0]

  def reshaped(bias):
    return position.index_bias(bias, queries, keys)

  def loss(made, bias):
    return jnp.sum(jnp.where(ahead, 0, jnp.sin(made(bias))))

  for of in (
    lambda made: made(bias),
    lambda made: jax.grad(loss, 1)(made, bias),
  ):
    got, expected = of(reshaped), of(looked_up)
    np.testing.assert_allclose(got, expected, atol=1e-5)
