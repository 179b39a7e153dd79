"""Lowers the programs of a run from shapes alone."""

import dataclasses
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from flan_jax.evaluation.generation.generator import row_count, slot_count
from flan_jax.evaluation.generation.slot_programs import SlotPrograms
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
  rows: int  # Rows of a batch, or slots, over all devices.
  length: int  # Tokens of a row or slot.
  work: flops.Work  # That of a step if every row is full and has one example.
  gradients: int = 0  # Bytes of the trained parameters on a device.
  # Bytes on a device that are no inputs, but in memory meanwhile, by kind.
  beside: dict[str, int] = dataclasses.field(default_factory=dict)


def lower(request: Request, program: str, mesh: Mesh) -> Lowered:
  """Traces one of `PROGRAMS` as `train` and `eval` run it."""
  lowering = {
    'train': _lower_train,
    'evaluation': _lower_evaluation,
    'prefill': functools.partial(_lower_generation, reads=True),
    'generate': functools.partial(_lower_generation, reads=False),
  }
  return lowering[program](request, mesh)


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
  work = flops.causal_rows(*shape, request.model.window)
  return Lowered(
    step.lower(state, batch),
    given,
    *shape[:2],
    work,
    gradients=gradient_bytes(request, state),
  )


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
  work = flops.causal_rows(*shape, config.window)
  return Lowered(lowered, given, *shape[:2], work)


def _lower_generation(request, mesh, reads):
  """Traces what reads prompts, or what adds a token to each.

  Slots, and rows of prompts, are as wide as rows of evaluation. What the other
  program works on is in memory meanwhile.
  """
  config = request.model_of('generate')
  params = abstract_params(config, mesh)
  width, shards = request.eval_length, batch_shards(mesh)
  slots = slot_count(request.eval_tokens, width, shards)
  rows = row_count(request.eval_tokens, width, shards)
  programs = SlotPrograms(config, mesh, [0], config.vocab_size)
  given = {'parameters': device_bytes(params)}
  cache = {'cache': device_bytes(programs.abstract_cache(slots, width))}
  if reads:
    lowered = programs.lower_prefill(params, rows, width, slots)
    given['batch'] = 3 * 4 * rows * width // shards
    work = flops.causal_rows(rows, width, slots / rows, config.window)
    return Lowered(lowered, given, rows, width, work, beside=cache)
  lowered = programs.lower_advance(params, width, slots)
  # Each prompt that has been read is followed by room for a slot.
  read = programs.abstract_cache(rows, 2 * width)
  near = slots * min(width, config.window or width)
  work = flops.Work(slots, slots, slots * width, near)
  beside = {'prompts': device_bytes(read)}
  return Lowered(lowered, {**given, **cache}, slots, width, work, beside=beside)


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
