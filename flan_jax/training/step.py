"""One training step over a mesh."""

from collections.abc import Callable, Mapping
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec
import optax

from flan_jax.model import DecoderConfig, multihead, parameters, prediction
from flan_jax.sharding import mesh as mesh_lib
from flan_jax.sharding import rules
from flan_jax.training import loss as loss_lib
from flan_jax.training.optimizer_sharding import optimizer_sharding
from flan_jax.training.trained import trained, with_trained

# 'params', 'opt_state', 'step' (int32, steps done) and 'seed' (uint32).
TrainState = dict[str, Any]
Metrics = dict[str, jax.Array]


def abstract_state(
  model_config: DecoderConfig,
  optimizer: optax.GradientTransformation,
  mesh: Mesh,
) -> TrainState:
  """Returns shapes, types and shardings of the train state."""
  params = parameters.abstract_params(model_config, mesh)
  shardings = jax.tree.map(lambda param: param.sharding, params)
  opt_state = rules.with_shardings(
    jax.eval_shape(optimizer.init, params),
    optimizer_sharding(optimizer, params, shardings),
  )

  def scalar(dtype):
    return jax.ShapeDtypeStruct((), dtype, sharding=rules.replicated(mesh))

  return {
    'params': params,
    'opt_state': opt_state,
    'step': scalar(jnp.int32),
    'seed': scalar(jnp.uint32),
  }


def state_shardings(
  model_config: DecoderConfig,
  optimizer: optax.GradientTransformation,
  mesh: Mesh,
) -> TrainState:
  """Returns the sharding of each array of the train state."""
  state = abstract_state(model_config, optimizer, mesh)
  return jax.tree.map(lambda leaf: leaf.sharding, state)


def init_state(
  model_config: DecoderConfig,
  optimizer: optax.GradientTransformation,
  seed: int,
  mesh: Mesh,
  params: Any = None,
) -> TrainState:
  """Returns the state before the first step, sharded over the mesh.

  Args:
    model_config: Shape of the decoder.
    optimizer: From `make_optimizer`.
    seed: Seed of initial parameters and dropout, in [0, 2**32).
    mesh: The devices.
    params: Initial parameters on this mesh, donated by the first step; None to
      draw them.
  """
  shardings = state_shardings(model_config, optimizer, mesh)
  if params is None:
    params = parameters.init_params(model_config, seed, mesh)

  del shardings['params']

  @functools.partial(jax.jit, out_shardings=shardings)
  def rest(params, seed):
    opt_state = optimizer.init(params)
    return {'opt_state': opt_state, 'step': jnp.int32(0), 'seed': seed}

  return {'params': params, **rest(params, jnp.uint32(seed))}


@functools.lru_cache(maxsize=4)
def make_train_step(
  model_config: DecoderConfig,
  optimizer: optax.GradientTransformation,
  mesh: Mesh,
  microbatches: int = 1,
  z_loss: float = 0.0,
  frozen: tuple[str, ...] = (),
  skip_nonfinite: bool = False,
) -> Callable[[TrainState, Mapping[str, Any]], tuple[TrainState, Metrics]]:
  """Returns the jitted function `(state, batch) -> (state, metrics)`.

  The state is donated. The loss is normalized by the target tokens of the whole
  global batch, even if the batch is computed in several parts. A batch without
  targets has loss 0 and gradient 0. Runs of one process with the same arguments
  share the function, which is traced once for them.

  Metrics are float32 scalars: `loss` (nats per target token), `target_tokens`,
  `tokens` (without padding), `accuracy` (share of target tokens that were the
  most probable), `gradient_norm` (before clipping), `update_norm`, and
  `parameter_norm` (after the step); with `skip_nonfinite` also `skipped`, 1 for
  a skipped step.

  Args:
    model_config: Shape of the decoder.
    optimizer: From `make_optimizer`.
    mesh: The devices.
    microbatches: Parts in which a batch is computed, one after the other, to
      save memory. Only dropout depends on it.
    z_loss: See `loss.cross_entropy`.
    frozen: Parameters that are not trained, see `OptimizerConfig`.
    skip_nonfinite: Whether a step whose loss, gradient or update is not finite
      changes nothing but the number of steps.

  Raises:
    ConfigError: The configured attention does not run here, or `frozen` does
      not match; while tracing, the mesh does not divide the rows of a part, or
      the configured kernel does not support their length.
  """
  shardings = state_shardings(model_config, optimizer, mesh)
  resolve = functools.partial(
    multihead.resolve_attention, model_config, mesh, gradients=True
  )
  resolve()  # Finds mistakes before rows are known.
  gradient_shardings = trained(shardings['params'], frozen)

  def sums(changed, params, batch, key, total):
    params = with_trained(params, changed)
    config = resolve(length=batch['tokens'].shape[1])
    outputs = prediction.target_outputs(config, params, batch, key)
    summed = loss_lib.cross_entropy(outputs, batch['target_weights'], z_loss)
    return summed.loss / total, summed

  def gradients(params, batch, key, total):
    whole = jax.value_and_grad(sums, has_aux=True)
    changed = trained(params, frozen)
    (_, summed), grads = whole(changed, params, batch, key, total)
    return summed, jax.lax.with_sharding_constraint(grads, gradient_shardings)

  def step(state, batch):
    params = state['params']
    weight = jnp.sum(batch['target_weights'])
    total = jnp.where(weight > 0, weight, 1.0)  # So that 0 / 0 is 0.
    key = jax.random.fold_in(jax.random.key(state['seed']), state['step'])
    if microbatches == 1:
      summed, grads = gradients(params, batch, key, total)
    else:
      parts = _split_rows(batch, microbatches, mesh)

      def of_part(part, number):
        return gradients(params, part, jax.random.fold_in(key, number), total)

      summed, grads = _accumulate(of_part, parts, microbatches)
    updates, opt_state = optimizer.update(grads, state['opt_state'], params)
    changed = trained(params, frozen)
    new_params = with_trained(params, optax.apply_updates(changed, updates))
    metrics = {
      'loss': summed.loss / total,
      'target_tokens': summed.weight,
      'tokens': jnp.sum(batch['segments'] > 0).astype(jnp.float32),
      'accuracy': summed.correct / total,
      'gradient_norm': optax.tree.norm(grads),
      'update_norm': optax.tree.norm(updates),
      'parameter_norm': optax.tree.norm(new_params),
    }
    changes = {'params': new_params, 'opt_state': opt_state}
    if skip_nonfinite:
      changes, metrics = _skipped_unless_finite(state, changes, metrics)
    return {**state, **changes, 'step': state['step'] + 1}, metrics

  def step_on_mesh(state, batch):
    mesh_lib.check_batch(batch['tokens'].shape[0], mesh, microbatches)
    # The model pins its activations to this mesh.
    with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
      with jax.threefry_partitionable(True):
        return step(state, batch)

  return jax.jit(
    step_on_mesh,
    in_shardings=(shardings, rules.batch_sharding(mesh)),
    out_shardings=(shardings, rules.replicated(mesh)),
    donate_argnums=0,
  )


def _skipped_unless_finite(state, changes, metrics):
  """Returns the changes and metrics of a step, which is skipped if not finite.

  XLA selects while it writes the new values over the donated ones.
  """
  names = 'loss', 'gradient_norm', 'update_norm', 'parameter_norm'
  finite = jnp.isfinite(jnp.stack([metrics[name] for name in names])).all()
  kept = jax.tree.map(
    lambda new, old: jnp.where(finite, new, old),
    changes,
    {name: state[name] for name in changes},
  )
  return kept, {**metrics, 'skipped': 1 - finite.astype(jnp.float32)}


def _split_rows(batch, microbatches, mesh):
  """Splits rows [B, ...] into [microbatches, B / microbatches, ...].

  A part takes every `microbatches`-th row, so that each device keeps its rows.
  """
  spec = PartitionSpec(None, *rules.partition_spec(['batch']))
  sharding = NamedSharding(mesh, spec)

  def split(x):
    x = x.reshape(-1, microbatches, *x.shape[1:]).swapaxes(0, 1)
    return jax.lax.with_sharding_constraint(x, sharding)

  return jax.tree.map(split, dict(batch))


def _accumulate(function, parts, microbatches):
  """Sums the results of a function of a part and its number."""
  first = jax.tree.map(lambda x: x[0], parts)
  shapes = jax.eval_shape(function, first, jnp.int32(0))
  start = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

  def add(sums, numbered):
    return jax.tree.map(jnp.add, sums, function(*numbered)), None

  numbers = jnp.arange(microbatches)
  return jax.lax.scan(add, start, (parts, numbers))[0]
