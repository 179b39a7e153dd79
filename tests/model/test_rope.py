"""RoPE turns pairs as published models do."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flan_jax.model import rope
from tests.model.tiny_decoders import ROPE


def rotated(x, place, base=100.0):
  config = dataclasses.replace(ROPE, head_dim=x.shape[-1], rope_base=base)
  return rope.rotate(x, rope.rotations(config, jnp.array([[place]])))


def test_rope_keeps_norms_and_depends_on_the_difference():
  query, key = jax.random.normal(jax.random.key(1), (2, 1, 1, 3, 8))

  def product(query_position, key_position):
    rotated_query = rotated(query, query_position)
    np.testing.assert_allclose(
      jnp.linalg.norm(rotated_query), jnp.linalg.norm(query), rtol=1e-5
    )
    return jnp.sum(rotated_query * rotated(key, key_position), axis=-1)

  np.testing.assert_allclose(product(7, 3), product(104, 100), atol=1e-4)
  assert not np.allclose(product(7, 3), product(8, 3), atol=1e-2)


def test_rope_rotates_pairs_half_a_head_apart():
  # The layout of published weights: the first pair turns by one radian.
  x = jnp.zeros((1, 1, 1, 4)).at[..., 0].set(1.0)
  np.testing.assert_allclose(
    rotated(x, 1)[0, 0, 0], [np.cos(1), 0, np.sin(1), 0], atol=1e-6
  )


def _turns(**settings):
  """Returns how often pairs turn in 1024 tokens, unscaled and scaled."""
  plain = dataclasses.replace(ROPE, head_dim=64, rope_base=10_000.0)
  scaled = dataclasses.replace(
    plain, rope_factor=8.0, rope_original_context=1024, **settings
  )
  found = (rope.frequencies(config) for config in (plain, scaled))
  return (1024 / (2 * math.pi) * turns for turns in found)


@pytest.mark.parametrize(
  ('settings', 'slow', 'fast'),
  [
    ({'rope_scaling': 'llama3', 'rope_fast': 4.0}, 1, 4),
    ({'rope_scaling': 'yarn', 'rope_fast': 32.0}, 1, 32),
  ],
)
def test_slow_pairs_are_slowed_and_fast_ones_are_not(settings, slow, fast):
  before, after = _turns(**settings)
  # YaRN rounds to whole pairs, which are a third apart.
  slowed, kept = before < slow / 1.4, before > fast * 1.4
  assert slowed.any() and kept.any()
  np.testing.assert_allclose(after[slowed], before[slowed] / 8, rtol=1e-6)
  np.testing.assert_array_equal(after[kept], before[kept])
  between = ~slowed & ~kept
  assert (np.diff((after / before)[between]) <= 0).all()


def test_linear_scaling_slows_all_pairs():
  before, after = _turns(rope_scaling='linear')
  np.testing.assert_allclose(after, before / 8, rtol=1e-6)
