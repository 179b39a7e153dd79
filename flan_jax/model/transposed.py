"""Parameters laid out for a CPU, where decoding is then twice as fast.

XLA multiplies few vectors with a matrix fastest if each column of the matrix
lies together in memory, and copies the slice of a stack that it multiplies
with.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from flan_jax.model.decoder_config import DecoderConfig

# From this number of vectors on, the usual order of factors is faster.
_MANY = 128


class Transposed(NamedTuple):
  """The transpose of a matrix [X, Y] that vectors are multiplied with."""

  weights_YxX: Float[Array, 'Y X']

  def times(
    self, x: Float[Array, '... X'], dtype: Any = None
  ) -> Float[Array, '... Y']:
    """Multiplies in the type of `x`; `dtype` is that of the result."""
    weights_YxX = self.weights_YxX.astype(x.dtype)
    kept = {'preferred_element_type': dtype or x.dtype}
    if math.prod(x.shape[:-1]) >= _MANY:
      return jnp.einsum('...X,YX->...Y', x, weights_YxX, **kept)
    flat_MxX = x.reshape(-1, x.shape[-1])
    product_YxM = jnp.einsum('YX,MX->YM', weights_YxX, flat_MxX, **kept)
    # Without the barrier, XLA swaps the factors back.
    product_MxY = jax.lax.optimization_barrier(product_YxM).T
    return product_MxY.reshape(*x.shape[:-1], -1)


def dots(
  query: Float[Array, 'B K G h'], keys: Float[Array, 'B K S h']
) -> Float[Array, 'B K G S']:
  """Multiplies each query with all keys of its head; float32."""
  products_BxKxSxG = jnp.einsum(
    'BKSh,BKGh->BKSG', keys, query, preferred_element_type=jnp.float32
  )
  # Without the barrier, XLA swaps the factors back, which takes 3 to 8 times
  # as long.
  return jax.lax.optimization_barrier(products_BxKxSxG).swapaxes(-1, -2)


def is_faster(mesh: jax.sharding.Mesh) -> bool:
  """Returns whether a mesh decodes faster with parameters from `lay_out`."""
  return mesh.size == 1 and mesh.devices.flat[0].platform == 'cpu'


def lay_out(config: DecoderConfig, params: Any) -> Any:
  """Returns parameters whose matrices are `Transposed`, layer by layer.

  `layers` is a tuple then, and `unembedding` also exists if it is tied.
  Matrices have the compute type, so they need not be cast at every step.
  """
  layers = [
    {name: _laid_out(config, x[n]) for name, x in params['layers'].items()}
    for n in range(config.num_layers)
  ]
  table_VxD = params['embedding']
  if not config.tie_embeddings:
    table_VxD = params['unembedding'].T
  return {
    **params,
    'layers': tuple(layers),
    'unembedding': Transposed(table_VxD.astype(config.compute_dtype)),
  }


def _laid_out(config, own):
  if own.ndim < 2:  # Norms and biases.
    return own
  return Transposed(own.T.astype(config.compute_dtype))
