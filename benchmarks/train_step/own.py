"""The training step of this project with its defaults."""

from typing import Any

import jax
import numpy as np

from benchmarks.common.side_process import serve
from benchmarks.train_step.jax_side import Arrays, JaxSide, Trainer
from benchmarks.train_step.shapes import LEARNING_RATE, Shape
from flan_jax.model import DecoderConfig, flops
from flan_jax.planning import chips
from flan_jax.sharding import MeshConfig, make_mesh
from flan_jax.training.optimizer import OptimizerConfig, make_optimizer
from flan_jax.training.step import init_state, make_train_step

# The kinds of model that the sides stand for: the seed paper's, and Llama.
_FAMILIES = {
  'flan_jax': {'position': 'relative_bias', 'activation': 'gelu'},
  'flan_jax_llama': {'position': 'rope', 'activation': 'silu'},
}


def make_side(task: dict[str, Any]) -> JaxSide:
  """Returns the training step of a family of models."""
  shape = Shape(**task['shape'])
  config = DecoderConfig(
    vocab_size=shape.vocabulary,
    num_layers=shape.layers,
    d_model=shape.width,
    d_ff=shape.feed_forward,
    num_heads=shape.heads,
    num_kv_heads=shape.heads,
    head_dim=shape.head_width,
    compute_dtype=shape.dtype,
    **_FAMILIES[task['side']],
  )
  optimizer = make_optimizer(OptimizerConfig(learning_rate=LEARNING_RATE))
  mesh = make_mesh(MeshConfig(), jax.devices()[:1])
  train_step = make_train_step(config, optimizer, mesh)

  def step(state, batch):
    state, metrics = train_step(state, batch)
    return state, metrics['loss']

  def facts(case):
    examples = shape.examples_per_row(case)
    lengths = [shape.length // examples] * examples
    work = flops.Work(
      tokens=shape.tokens,
      targets=shape.rows * shape.targets_per_row(case),
      pairs=shape.rows * flops.visible_pairs(lengths),
    )
    chip = chips.chip_of_kind(jax.devices()[0].device_kind)
    return {
      'needed_flops': flops.training_flops(config, work).total,
      'peak_flops': chip and chip.device_flops(shape.dtype),
    }

  trainer = Trainer(
    lambda: init_state(config, optimizer, 0, mesh),
    step,
    params=lambda state: state['params'],
    arrange=gather_targets,
    facts=facts,
  )
  return JaxSide(shape, trainer)


def gather_targets(batch: Arrays) -> Arrays:
  """Returns target positions and labels apart, as the packer does.

  All rows must have the same number of targets.
  """
  rows, columns = np.nonzero(batch['targets'])
  positions = columns.reshape(rows[-1] + 1, -1)
  labels = np.take_along_axis(batch['labels'], positions, axis=1)
  return {
    **{name: batch[name] for name in ('tokens', 'segments', 'positions')},
    'target_positions': positions.astype(np.int32),
    'target_labels': labels,
    'target_weights': np.ones(labels.shape, np.float32),
  }


if __name__ == '__main__':
  serve(make_side)
