"""Keys and values of attention."""

from typing import NamedTuple

from jaxtyping import Array, Float


class KeyValues(NamedTuple):
  """Keys (rotated by RoPE, if configured) and values.

  Of all layers, stacked or as a tuple of arrays, or of one layer, without N.
  """

  keys: Float[Array, 'N B K S h']
  values: Float[Array, 'N B K S h']
