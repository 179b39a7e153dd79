"""T5X's decoder-only example as a side of `train_step`.

Needs `t5x` on the path of its interpreter, JAX, Flax and Optax.
"""

import importlib.util
import sys
import types

import jax.numpy as jnp

from benchmarks import jax_side, stepping, train_shapes


def _load():
  """Returns T5X's network and losses.

  `import t5x` loads its trainer, checkpoints and data with all that they need;
  the decoder needs none of it. So the package is put in place unopened.
  """
  package = types.ModuleType('t5x')
  found = importlib.util.find_spec('t5x')
  package.__path__ = list(found.submodule_search_locations)
  sys.modules['t5x'] = package
  from t5x import losses
  from t5x.examples.decoder_only import network

  return network, losses


def make_side(shape: train_shapes.Shape, name: str) -> jax_side.JaxSide:
  """Returns the decoder with T5X's loss; Adafactor is Optax's."""
  del name
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

  return jax_side.JaxSide(shape, jax_side.adafactor_trainer(init, loss))


if __name__ == '__main__':
  stepping.serve(make_side)
