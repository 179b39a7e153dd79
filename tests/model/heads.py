"""Random queries, keys and values, and the packed rows they belong to."""

import jax
import jax.numpy as jnp
import numpy as np

from flan_jax.model import attention


def random_heads(
  length, heads=4, kv_heads=2, width=8, batch=2, dtype='float32'
):
  keys = jax.random.split(jax.random.key(0), 3)
  sizes = (heads, kv_heads, kv_heads)
  return [
    jax.random.normal(key, (batch, length, size, width)).astype(dtype)
    for key, size in zip(keys, sizes, strict=True)
  ]


def packed_context(lengths_by_row, length, bias=None):
  """Returns the context of rows of examples of these lengths, then padding."""
  segments = np.zeros((len(lengths_by_row), length), np.int32)
  positions = np.zeros_like(segments)
  for row, lengths in enumerate(lengths_by_row):
    start = 0
    for number, size in enumerate(lengths, 1):
      segments[row, start : start + size] = number
      positions[row, start : start + size] = np.arange(size)
      start += size
  return attention.AttentionContext(
    jnp.asarray(segments), jnp.asarray(positions), bias=bias
  )


def outputs_and_gradients(attend, heads, context):
  """Returns what attention yields and its gradients, zero at padding."""
  real = (context.segments > 0)[:, :, None, None]

  @jax.jit
  def run(heads, bias):
    def loss(heads, bias):
      mixed = attend(*heads, context._replace(bias=bias))
      mixed = jnp.where(real, mixed.astype(jnp.float32), 0)
      return jnp.sum(jnp.sin(3 * mixed)), mixed

    argnums = 0 if bias is None else (0, 1)
    return jax.grad(loss, argnums=argnums, has_aux=True)(heads, bias)

  gradients, mixed = run(heads, context.bias)
  return mixed, gradients


def assert_close(got, expected, atol):
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(
      np.asarray(a, np.float32), np.asarray(b, np.float32), atol=atol
    ),
    got,
    expected,
  )
