"""The train step of this project as a side of `train_step`: its defaults."""

import jax
import numpy as np

from benchmarks import jax_side, stepping, train_shapes
from flan_jax.model import DecoderConfig, flops
from flan_jax.planning import chips
from flan_jax.sharding import MeshConfig, make_mesh
from flan_jax.training import (
  OptimizerConfig,
  init_state,
  make_optimizer,
  make_train_step,
)

# What a side's name stands for: the seed paper's kind of model, and Llama's.
_FAMILIES = {
  'flan_jax': {'position': 'relative_bias', 'activation': 'gelu'},
  'flan_jax_llama': {'position': 'rope', 'activation': 'silu'},
}


def make_side(shape: train_shapes.Shape, name: str) -> jax_side.JaxSide:
  """Returns the train step of a family of models."""
  config = DecoderConfig(
    vocab_size=shape.vocabulary,
    num_layers=shape.layers,
    d_model=shape.width,
    d_ff=shape.feed_forward,
    num_heads=shape.heads,
    num_kv_heads=shape.heads,
    head_dim=shape.head_width,
    compute_dtype=shape.dtype,
    **_FAMILIES[name],
  )
  optimizer = make_optimizer(
    OptimizerConfig(learning_rate=jax_side.LEARNING_RATE)
  )
  mesh = make_mesh(MeshConfig(), jax.devices()[:1])
  train_step = make_train_step(config, optimizer, mesh)

  def step(state, batch):
    state, metrics = train_step(state, batch)
    return state, metrics['loss']

  def facts(case):
    chip = chips.chip_of_kind(jax.devices()[0].device_kind)
    return {
      'needed_flops': flops.training_flops(config, _work(shape, case)).total,
      'peak_flops': chip and chip.device_flops(shape.dtype),
    }

  return jax_side.JaxSide(
    shape,
    jax_side.Trainer(
      init=lambda: init_state(config, optimizer, 0, mesh),
      step=step,
      params=lambda state: state['params'],
      arrange=lambda batch, case: _gather_targets(batch),
      facts=facts,
    ),
  )


def _gather_targets(batch):
  """Target positions and labels apart, as the packer hands them over.

  Every row has as many.
  """
  rows, _ = np.nonzero(batch['targets'])
  positions = np.nonzero(batch['targets'])[1].reshape(rows[-1] + 1, -1)
  labels = np.take_along_axis(batch['labels'], positions, axis=1)
  return {
    **{name: batch[name] for name in ('tokens', 'segments', 'positions')},
    'target_positions': positions.astype(np.int32),
    'target_labels': labels,
    'target_weights': np.ones(labels.shape, np.float32),
  }


def _work(shape, case):
  examples = train_shapes.examples_a_row(shape, case)
  lengths = [shape.length // examples] * examples
  return flops.Work(
    tokens=shape.tokens,
    targets=shape.rows * train_shapes.targets_a_row(shape, case),
    pairs=shape.rows * flops.visible_pairs(lengths),
  )


if __name__ == '__main__':
  stepping.serve(make_side)
