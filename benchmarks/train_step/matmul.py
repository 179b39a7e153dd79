"""What the machine can do: large matrix products through JAX."""

import time
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.common.side_process import serve

_SIZES = {'cpu': (1024, 2048, 4096), 'gpu': (4096, 8192, 16384)}
_PRODUCTS = 3  # Timed at each size.


class MatmulRate:
  """Multiplies square matrices in the type in which a shape is computed."""

  def __init__(self, task: dict[str, Any]):
    self._dtype = task['shape']['dtype']
    self._multiply = jax.jit(jnp.matmul)

  def measure(self) -> dict[str, float]:
    """Returns the best rate of several sizes, in FLOP/s."""
    with jax.default_matmul_precision('highest'):
      sizes = _SIZES['cpu' if jax.default_backend() == 'cpu' else 'gpu']
      return {'flops_per_second': max(map(self._rate, sizes))}

  def _rate(self, size: int) -> float:
    left, right = (
      jax.random.normal(key, (size, size), self._dtype)
      for key in jax.random.split(jax.random.key(0))
    )
    jax.block_until_ready(self._multiply(left, right))
    taken = []
    for _ in range(_PRODUCTS):
      begin = time.perf_counter()
      jax.block_until_ready(self._multiply(left, right))
      taken.append(time.perf_counter() - begin)
    return 2 * size**3 / min(taken)


if __name__ == '__main__':
  serve(MatmulRate)
