"""Layers compute alike on all platforms, tuned for each."""

import jax
import jax.numpy as jnp

from flan_jax.model import layers


def test_the_transposed_gradient_is_for_cpus():
  x, weights = jnp.ones((2, 3, 8)), jnp.ones((8, 4))
  product = jax.jit(jax.grad(lambda w: layers._project(x, w).sum()))
  barriers = {
    name: 'optimization_barrier'
    in product.trace(weights).lower(lowering_platforms=(name,)).as_text()
    for name in ('cpu', 'tpu', 'cuda')
  }
  assert barriers == {'cpu': True, 'tpu': False, 'cuda': False}
