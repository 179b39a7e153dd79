import jax
import jax.numpy as jnp
import numpy as np

from flan_jax.model import attention


def test_visible_keys_follow_segments_and_branches():
  segments = np.array([[1, 1, 1, 1, 2, 2, 0]])
  branches = np.array([[0, 1, 1, 2, 0, 1, 0]])
  got = attention.visible_keys(segments, branches)
  expected = [
    [1, 0, 0, 0, 0, 0, 0],
    [1, 1, 0, 0, 0, 0, 0],
    [1, 1, 1, 0, 0, 0, 0],
    [1, 0, 0, 1, 0, 0, 0],  # the second branch sees the prompt and itself
    [0, 0, 0, 0, 1, 0, 0],
    [0, 0, 0, 0, 1, 1, 0],
    [0, 0, 0, 0, 0, 0, 0],  # padding sees nothing and is not seen
  ]
  np.testing.assert_array_equal(got[0], np.array(expected, bool))


def test_without_branches_is_causal_within_the_segment():
  segments = np.array([[1, 1, 2, 0]])
  got = attention.visible_keys(segments)
  same = attention.visible_keys(segments, np.zeros_like(segments))
  np.testing.assert_array_equal(got, same)


def test_selected_queries_and_keys_give_a_slice():
  segments = np.array([[1, 1, 2, 2, 2, 0]])
  branches = np.array([[0, 1, 0, 1, 2, 0]])
  whole = attention.visible_keys(segments, branches)
  part = attention.visible_keys(segments, branches, slice(2, 4), slice(0, 5))
  np.testing.assert_array_equal(part, whole[:, 2:4, :5])


def test_a_window_counts_positions_not_indices():
  # Two options of three tokens share a prompt of two.
  row = np.array([[0, 1, 2, 3, 4, 2, 3, 4]])
  branches = np.array([[0, 0, 1, 1, 1, 2, 2, 2]])
  context = attention.AttentionContext(np.ones_like(row), row, branches)
  rule = attention.Rule(1.0, window=3)
  seen = attention.seen_keys(context, rule)[0]
  assert np.flatnonzero(seen[4]).tolist() == [2, 3, 4]
  assert np.flatnonzero(seen[6]).tolist() == [1, 5, 6]
  for windowed in (True, False):
    context = context._replace(windowed=jnp.array(windowed))
    expected = (
      seen if windowed else attention.visible_keys(row + 1 > 0, branches)[0]
    )
    np.testing.assert_array_equal(
      attention.seen_keys(context, rule)[0], expected
    )


def one_segment(batch, length, bias=None):
  positions = np.tile(np.arange(length), (batch, 1))
  return attention.AttentionContext(
    np.ones_like(positions), positions, bias=bias
  )


def test_query_heads_share_key_heads_in_order():
  keys = jax.random.split(jax.random.key(0), 4)
  query = jax.random.normal(keys[0], (2, 5, 6, 4))
  key = jax.random.normal(keys[1], (2, 5, 2, 4))
  value = jax.random.normal(keys[2], (2, 5, 2, 4))
  context = one_segment(2, 5, jax.random.normal(keys[3], (6, 4)))
  got = attention.attend_reference(query, key, value, context)
  whole = attention.attend_reference(
    query, jnp.repeat(key, 3, axis=2), jnp.repeat(value, 3, axis=2), context
  )
  np.testing.assert_allclose(got, whole, atol=1e-6)


def test_padding_queries_are_finite():
  x = jnp.ones((1, 3, 1, 2))
  context = attention.AttentionContext(
    jnp.array([[1, 0, 0]]), jnp.array([[0, 0, 0]])
  )
  assert np.isfinite(attention.attend_reference(x, x, x, context)).all()
