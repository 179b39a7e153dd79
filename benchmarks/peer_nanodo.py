"""nanodo's decoder as a side of `train_step`, in an interpreter that has it.

Needs `nanodo` on the path, JAX, Flax and Optax. The loss and the optimizer are
those of its trainer, which is not imported: it needs TensorFlow and Grain.
It masks neither by example nor by packing, and has no gate.
"""

import jax.numpy as jnp
from nanodo import model as nanodo_model
import optax

from benchmarks import jax_side, stepping, train_shapes


def make_side(shape: train_shapes.Shape, name: str) -> jax_side.JaxSide:
  """Returns nanodo at the same model FLOPs."""
  del name
  if shape.heads * shape.head_width != shape.width:
    raise ValueError(f'nanodo has heads of width D / H only: {shape}')
  model = nanodo_model.TransformerDo(
    nanodo_model.DoConfig(
      D=shape.width,
      H=shape.heads,
      L=shape.length,
      N=shape.layers,
      V=shape.vocabulary,
      F=shape.ungated_feed_forward,
      dtype=jnp.dtype(shape.dtype),
      fsdp_enabled=False,
    )
  )

  def init(key):
    return model.init(key, jnp.zeros((1, shape.length), jnp.int32))['params']

  def loss(params, batch):
    logits = model.apply({'params': params}, batch['tokens'])
    losses = optax.losses.softmax_cross_entropy_with_integer_labels(
      logits, batch['labels']
    )
    return jnp.sum(losses * batch['targets']) / jnp.sum(batch['targets'])

  return jax_side.JaxSide(shape, jax_side.adafactor_trainer(init, loss))


if __name__ == '__main__':
  stepping.serve(make_side)
