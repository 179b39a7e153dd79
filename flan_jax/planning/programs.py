"""Lowers the programs of a run from shapes alone."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from flan_jax.model import (
  DecoderConfig,
  abstract_params,
  flops,
  resolve_attention,
  target_log_probs,
)
from flan_jax.planning.request import Request
from flan_jax.sharding import batch_sharding, batch_shards, replicated
from flan_jax.training.optimizer import make_optimizer
from flan_jax.training.step import (
  TrainState,
  abstract_state,
  make_train_step,
)
from flan_jax.training.trained import trained

# The scorer predicts a quarter of a row.
_EVAL_TARGETS = 4


@dataclasses.dataclass(frozen=True)
class Lowered:
  """A program to compile, and its inputs."""

  lowered: jax.stages.Lowered
  given: dict[str, int]  # Bytes of the inputs on a device, by kind.
  rows: int  # Rows of a batch, over all devices.
  length: int  # Tokens of a row.
  targets: int  # Predicted tokens of a row.
  gradients: int = 0  # Bytes of the trained parameters on a device.
  window: int | None = None  # Of the model, see `DecoderConfig`.

  @property
  def work(self) -> flops.Work:
    """The work if every row is full and holds one example."""
    return flops.causal_rows(self.rows, self.length, self.targets, self.window)


def lower(request: Request, program: str, mesh: Mesh) -> Lowered:
  """Traces one of `PROGRAMS` as `train` and `eval` run it."""
  lowering = _lower_train if program == 'train' else _lower_evaluation
  return lowering(request, mesh)


def _lower_train(request, mesh):
  optimizer = make_optimizer(request.optimizer)
  state = abstract_state(request.model, optimizer, mesh)
  shape = (request.batch_rows, request.pack_length, request.targets)
  batch = _abstract_batch(*shape, mesh)
  frozen, microbatches = request.optimizer.frozen, request.microbatches
  step = make_train_step(
    request.model, optimizer, mesh, microbatches, frozen=frozen
  )
  given = {
    'parameters': device_bytes(state['params']),
    'optimizer_state': device_bytes(state['opt_state']),
    'batch': device_bytes(batch),
  }
  gradients, window = gradient_bytes(request, state), request.model.window
  return Lowered(step.lower(state, batch), given, *shape, gradients, window)


def gradient_bytes(request: Request, state: TrainState) -> int:
  """Returns the bytes on one device of the parameters that are trained."""
  return device_bytes(trained(state['params'], request.optimizer.frozen))


def _lower_evaluation(request, mesh):
  config = resolve_attention(request.model_of('evaluation'), mesh)
  params = abstract_params(config, mesh)
  length, shards = request.eval_length, batch_shards(mesh)
  rows = max(1, request.eval_tokens // length // shards) * shards
  shape = (rows, length, length // _EVAL_TARGETS)
  batch = _abstract_batch(*shape, mesh, branches=True)
  given = {'parameters': device_bytes(params), 'batch': device_bytes(batch)}
  score = jax.jit(
    lambda params, batch: target_log_probs(config, params, batch),
    out_shardings=replicated(mesh),
  )
  with jax.set_mesh(mesh):
    lowered = score.lower(params, batch)
  return Lowered(lowered, given, *shape, window=config.window)


def _abstract_batch(rows, length, targets, mesh, branches=False):
  sharding = batch_sharding(mesh)

  def array(width, dtype=jnp.int32):
    return jax.ShapeDtypeStruct((rows, width), dtype, sharding=sharding)

  inputs = ['tokens', 'segments', 'positions'] + ['branches'] * branches
  return {
    **{name: array(length) for name in inputs},
    'target_positions': array(targets),
    'target_labels': array(targets),
    'target_weights': array(targets, jnp.float32),
  }


def device_bytes(abstract: Any) -> int:
  """Returns the bytes on one device of arrays with shapes and shardings."""
  return sum(
    math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize
    for leaf in jax.tree.leaves(abstract)
  )


def step_flops(
  config: DecoderConfig, program: str, work: flops.Work
) -> dict[str, float]:
  """Returns what the model needs and what is recomputed, over all devices."""
  forward = flops.forward_flops(config, work)
  if program != 'train':
    return {'model': forward.total, 'recomputed': 0.0}
  again = 0.0 if config.attention == 'reference' else forward.attention / 2
  if config.remat != 'none':
    again += forward.attention
  if config.remat == 'full':
    again += forward.projections + forward.feed_forward + forward.adapters
  if config.logits_in_blocks:
    again += forward.logits
  model = flops.training_flops(config, work).total
  return {'model': model, 'recomputed': again}
