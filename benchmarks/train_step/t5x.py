"""T5X's decoder-only example, in an interpreter that has it.

Needs `t5x` on the path, JAX, Flax and Optax.
"""

import importlib.util
import sys
import types
from typing import Any

import jax.numpy as jnp

from benchmarks.common.side_process import serve
from benchmarks.train_step.jax_side import JaxSide, adafactor_trainer
from benchmarks.train_step.shapes import Shape


def _load():
  """Returns T5X's network and losses, without its trainer's dependencies.

  `import t5x` would load those; an empty package takes its place.
  """
  package = types.ModuleType('t5x')
  spec = importlib.util.find_spec('t5x')
  if spec is None:
    raise ModuleNotFoundError("No module named 't5x'")
  package.__path__ = list(spec.submodule_search_locations)
  sys.modules['t5x'] = package
  from t5x import losses
  from t5x.examples.decoder_only import network

  return network, losses


def make_side(task: dict[str, Any]) -> JaxSide:
  """Returns the decoder with T5X's loss and Optax's Adafactor."""
  shape = Shape(**task['shape'])
  network, losses = _load()
  model = network.DecoderWrapper(
    network.TransformerConfig(
      vocab_size=shape.vocabulary,
      dtype=jnp.dtype(shape.dtype),
      emb_dim=shape.width,
      num_heads=shape.heads,
      num_layers=shape.layers,
      head_dim=shape.head_width,
      mlp_dim=shape.feed_forward,
      mlp_activations=('gelu', 'linear'),
      dropout_rate=0.0,
    )
  )

  def init(key):
    tokens = jnp.ones((1, shape.length), jnp.int32)
    return model.init(key, tokens, tokens, enable_dropout=False)['params']

  def loss(params, batch):
    logits = model.apply(
      {'params': params},
      batch['tokens'],
      batch['labels'],
      decoder_segment_ids=batch['segments'],
      decoder_positions=batch['positions'],
      enable_dropout=False,
    )
    summed, _, weight = losses.compute_weighted_cross_entropy(
      logits, batch['labels'], batch['targets']
    )
    return summed / weight

  return JaxSide(shape, adafactor_trainer(init, loss))


if __name__ == '__main__':
  serve(make_side)
