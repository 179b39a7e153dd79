"""nanodo's decoder, in an interpreter that has it.

Needs `nanodo` on the path, JAX, Flax and Optax. Loss and optimizer are those of
its trainer, which is not imported because it needs TensorFlow and Grain. nanodo
does not mask attention between packed examples, and has no gate.
"""

from typing import Any

import jax.numpy as jnp
from nanodo import model as nanodo_model
import optax

from benchmarks.common.side_process import serve
from benchmarks.train_step.jax_side import JaxSide, adafactor_trainer
from benchmarks.train_step.shapes import Shape


def make_side(task: dict[str, Any]) -> JaxSide:
  """Returns nanodo at the same model FLOPs."""
  shape = Shape(**task['shape'])
  if shape.heads * shape.head_width != shape.width:
    raise ValueError(f'nanodo needs heads of width D / H: {shape}')
  model = nanodo_model.TransformerDo(
    nanodo_model.DoConfig(
      D=shape.width,
      H=shape.heads,
      L=shape.length,
      N=shape.layers,
      V=shape.vocabulary,
      # Two matrices cost as much as the three of a gate.
      F=shape.feed_forward * 3 // 2,
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

  return JaxSide(shape, adafactor_trainer(init, loss))


if __name__ == '__main__':
  serve(make_side)
