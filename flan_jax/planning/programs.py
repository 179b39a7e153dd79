"""The programs of a run, lowered from shapes alone."""

from collections.abc import Mapping
import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from flan_jax.model import (
  DecoderConfig,
  abstract_params,
  resolve_attention,
  target_log_probs,
)
from flan_jax.model import flops as flops_lib
from flan_jax.sharding.mesh import MeshConfig, batch_shards
from flan_jax.sharding.rules import batch_sharding, replicated
from flan_jax.training.optimizer import OptimizerConfig, make_optimizer
from flan_jax.training.step import abstract_state, make_train_step

PROGRAMS = ('train', 'evaluation')
# The scorer's: a quarter of a row is predicted.
_EVAL_TARGETS = 4


@dataclasses.dataclass(frozen=True)
class Request:
  """What is to be planned.

  Attributes:
    model: Shape of the decoder.
    optimizer: Adafactor's settings.
    mesh: How devices are laid out.
    topology: Name of the hardware, see `topology`.
    simulated: Whether the CPU plays the devices.
    batch_rows: Rows of a batch of training.
    pack_length: Tokens of a row.
    target_budget: Predicted tokens of a row.
    microbatches: Pieces that a batch is computed in.
    eval_length: Tokens of a row of evaluation.
    eval_tokens: Places of a batch of evaluation.
    train_steps: Of the whole run.
    programs: Which of `PROGRAMS` are planned.
  """

  model: DecoderConfig
  optimizer: OptimizerConfig
  mesh: MeshConfig
  topology: str
  simulated: bool
  batch_rows: int
  pack_length: int
  target_budget: int
  microbatches: int
  eval_length: int
  eval_tokens: int
  train_steps: int
  programs: tuple[str, ...] = PROGRAMS

  def as_json(self) -> dict[str, Any]:
    return dataclasses.asdict(self)

  @classmethod
  def from_json(cls, values: Mapping[str, Any]) -> 'Request':
    """Undoes `as_json`."""
    made = dict(
      values,
      model=DecoderConfig(**values['model']),
      optimizer=OptimizerConfig(**values['optimizer']),
      mesh=MeshConfig(**values['mesh']),
      programs=tuple(values['programs']),
    )
    return cls(**made)


@dataclasses.dataclass(frozen=True)
class Lowered:
  """A program that is ready to be compiled, and what it works on.

  Attributes:
    lowered: The program.
    given: Bytes a device holds of what it is given, by kind.
    rows: Of a batch, over all devices.
    length: Tokens of a row.
    targets: Predicted tokens of a row.
  """

  lowered: jax.stages.Lowered
  given: dict[str, int]
  rows: int
  length: int
  targets: int

  @property
  def work(self) -> flops_lib.Work:
    """As if every row were full and held one example."""
    return flops_lib.causal_rows(self.rows, self.length, self.targets)


def lower(request: Request, program: str, mesh: Mesh) -> Lowered:
  """Traces one of `PROGRAMS` as `train` and `eval` run it."""
  if program == 'train':
    return _lower_train(request, mesh)
  return _lower_evaluation(request, mesh)


def _lower_train(request, mesh):
  optimizer = make_optimizer(request.optimizer)
  state = abstract_state(request.model, optimizer, mesh)
  shape = (request.batch_rows, request.pack_length, request.target_budget)
  batch = _abstract_batch(*shape, mesh)
  step = make_train_step(
    request.model,
    optimizer,
    mesh,
    request.microbatches,
    frozen=request.optimizer.frozen,
  )
  given = {
    'parameters': device_bytes(state['params']),
    'optimizer_state': device_bytes(state['opt_state']),
    'batch': device_bytes(batch),
  }
  return Lowered(step.lower(state, batch), given, *shape)


def _lower_evaluation(request, mesh):
  config = resolve_attention(request.model, mesh)
  params = abstract_params(config, mesh)
  length, shards = request.eval_length, batch_shards(mesh)
  rows = max(1, request.eval_tokens // length // shards) * shards
  shape = (rows, length, length // _EVAL_TARGETS)
  batch = _abstract_batch(*shape, mesh, branches=True)
  given = {
    'parameters': device_bytes(params),
    'batch': device_bytes(batch),
  }
  score = jax.jit(
    lambda params, batch: target_log_probs(config, params, batch),
    out_shardings=replicated(mesh),
  )
  with jax.set_mesh(mesh):
    return Lowered(score.lower(params, batch), given, *shape)


def _abstract_batch(rows, length, targets, mesh, branches=False):
  sharding = batch_sharding(mesh)

  def array(width, dtype=jnp.int32):
    return jax.ShapeDtypeStruct((rows, width), dtype, sharding=sharding)

  read = ['tokens', 'segments', 'positions'] + ['branches'] * branches
  return {
    **{name: array(length) for name in read},
    'target_positions': array(targets),
    'target_labels': array(targets),
    'target_weights': array(targets, jnp.float32),
  }


def device_bytes(abstract: Any) -> int:
  """Bytes that one device holds of arrays that have shapes and shardings."""
  return sum(
    math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize
    for leaf in jax.tree.leaves(abstract)
  )


def model_flops(
  config: DecoderConfig, program: str, work: flops_lib.Work
) -> float:
  """Operations that the model needs in a step, over all devices."""
  if program == 'train':
    return flops_lib.training_flops(config, work).total
  return flops_lib.forward_flops(config, work).total


def recomputed_flops(
  config: DecoderConfig, program: str, work: flops_lib.Work
) -> float:
  """Operations of a step that repeat others to save memory."""
  if program != 'train':
    return 0.0
  forward = flops_lib.forward_flops(config, work)
  again = 0.0 if config.attention == 'reference' else forward.attention / 2
  if config.remat != 'none':
    again += forward.attention
  if config.remat == 'full':
    again += forward.projections + forward.feed_forward
  if config.logits_block() < config.vocab_size:
    again += forward.logits
  return again
