"""MaxText's decoder as a side of `train_step`, in an interpreter that has it.

Needs `maxtext` on the path with all that its model imports. Its settings are
those that are fastest on a CPU: no scan, nothing computed again. Adafactor is
Optax's, for MaxText has none.
"""

import os
import pathlib
import tempfile

from flax import nnx
import jax
import jax.numpy as jnp
import maxtext.configs
from maxtext.configs import pyconfig
from maxtext.models import models
from maxtext.utils import max_utils, maxtext_utils

from benchmarks import jax_side, stepping, train_shapes


def _config(shape: train_shapes.Shape):
  """Returns MaxText's configuration of a shape."""
  base = pathlib.Path(os.fspath(maxtext.configs.__path__[0])) / 'base.yml'
  settings = {
    'run_name': 'train_step',
    'hardware': 'cpu',
    'skip_jax_distributed_system': True,
    'base_output_directory': tempfile.gettempdir(),
    'enable_checkpointing': False,
    'log_config': False,
    'dataset_type': 'synthetic',
    'tokenizer_path': 'none',
    'decoder_block': 'llama2',
    'base_num_decoder_layers': shape.layers,
    'base_emb_dim': shape.width,
    'base_num_query_heads': shape.heads,
    'base_num_kv_heads': shape.heads,
    'head_dim': shape.head_width,
    'base_mlp_dim': shape.feed_forward,
    'vocab_size': shape.vocabulary,
    'max_target_length': shape.length,
    'per_device_batch_size': shape.rows,
    'dtype': shape.dtype,
    'attention': 'dot_product',
    'scan_layers': False,
    'remat_policy': 'none',
  }
  return pyconfig.initialize(
    ['train_step', str(base), *(f'{k}={v}' for k, v in settings.items())]
  )


def make_side(shape: train_shapes.Shape, name: str) -> jax_side.JaxSide:
  """Returns the decoder with MaxText's loss."""
  del name
  config = _config(shape)
  mesh = maxtext_utils.get_mesh_from_config(config)

  def build(key):
    rngs = nnx.Rngs(params=key, dropout=0)
    return models.Transformer(config, mesh, quant=None, rngs=rngs)

  def split(key):
    return nnx.split(build(key), nnx.Param, ...)

  definition = nnx.split(nnx.eval_shape(build, jax.random.key(0)))[0]
  rest = jax.jit(lambda key: split(key)[2])(jax.random.key(0))

  def init(key):
    return split(key)[1]

  def loss(params, batch):
    model = nnx.merge(definition, params, rest, copy=True)
    logits = model(
      decoder_input_tokens=batch['tokens'],
      decoder_positions=batch['positions'],
      decoder_segment_ids=batch['segments'],
      enable_dropout=False,
    )
    labels = jax.nn.one_hot(batch['labels'], shape.vocabulary)
    losses, _ = max_utils.cross_entropy_with_logits(logits, labels)
    return jnp.sum(losses * batch['targets']) / jnp.sum(batch['targets'])

  return jax_side.JaxSide(shape, jax_side.adafactor_trainer(init, loss))


if __name__ == '__main__':
  stepping.serve(make_side)
