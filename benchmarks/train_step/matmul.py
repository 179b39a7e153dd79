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
    sizes = _SIZES['cpu' if jax.default_backend() == 'cpu' else 'gpu']
    # A small model has no large products.
    largest = max(sizes[0], 16 * task['shape']['width'])
    self._sizes = [size for size in sizes if size <= largest]
    self._multiply = jax.jit(jnp.matmul)

  def prepare(self, case: str) -> None:
    """There is nothing to prepare."""

  def run(self, case: str, steps: int) -> dict[str, float]:
    """Returns FLOPs and seconds of the product with the best rate."""
    del case, steps
    with jax.default_matmul_precision('highest'):
      seconds = {2.0 * size**3: self._seconds(size) for size in self._sizes}
    best = max(seconds, key=lambda flops: flops / seconds[flops])
    return {'work': best, 'seconds': seconds[best]}

  def _seconds(self, size: int) -> float:
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
    return min(taken)


if __name__ == '__main__':
  serve(MatmulRate)
