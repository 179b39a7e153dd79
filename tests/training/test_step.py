import dataclasses
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flan_jax import sharding
from flan_jax.errors import ConfigError
from flan_jax.model import (
  DecoderConfig,
  adapters,
  init_params,
  param_shardings,
)
from flan_jax.training.optimizer import (
  OptimizerConfig,
  for_model,
  make_optimizer,
)
from flan_jax.training.step import init_state, make_train_step

CONFIG = DecoderConfig(
  vocab_size=32,
  num_layers=2,
  d_model=16,
  d_ff=24,
  num_heads=8,
  num_kv_heads=2,
  head_dim=4,
  relative_buckets=8,
  relative_max_distance=16,
)
OPTIMIZER = OptimizerConfig(learning_rate=0.03, min_dim_size_to_factor=16)
ROWS, LENGTH, TARGETS = 16, 12, 4


def make_batch(seed=0):
  """Returns rows of two examples, with padding and varying targets."""
  rng = np.random.default_rng(seed)
  segments = np.tile([[1] * 6 + [2] * 4 + [0] * 2], (ROWS, 1))
  positions = np.tile([[*range(6), *range(4), 0, 0]], (ROWS, 1))
  used = rng.integers(0, TARGETS + 1, (ROWS, 1))
  batch = {
    'tokens': rng.integers(0, 32, (ROWS, LENGTH)),
    'segments': segments,
    'positions': positions,
    'target_positions': rng.integers(0, 10, (ROWS, TARGETS)),
    'target_labels': rng.integers(0, 32, (ROWS, TARGETS)),
  }
  batch = {name: array.astype(np.int32) for name, array in batch.items()}
  weights = np.arange(TARGETS)[None] < used
  return {**batch, 'target_weights': weights.astype(np.float32)}


def make_mesh(*shape):
  devices = jax.devices()[: int(np.prod(shape))]
  return sharding.make_mesh(sharding.MeshConfig(*shape), devices)


@functools.cache
def first_params():
  """Returns the initial parameters, made once, on one device."""
  return jax.device_get(init_params(CONFIG, 1, make_mesh(1, 1, 1)))


def first_state(optimizer, mesh):
  params = jax.device_put(first_params(), param_shardings(CONFIG, mesh))
  return init_state(CONFIG, optimizer, 1, mesh, params)


def run(config=CONFIG, shape=(1, 1, 1), microbatches=1, batches=None):
  """Runs a step for each batch; returns the state and metrics, on the host."""
  mesh, optimizer = make_mesh(*shape), make_optimizer(OPTIMIZER)
  step = make_train_step(config, optimizer, mesh, microbatches)
  state = first_state(optimizer, mesh)
  history = []
  for batch in batches or [make_batch()]:
    state, metrics = step(state, batch)
    history.append({name: float(v) for name, v in metrics.items()})
  return jax.device_get(state), history


@pytest.fixture(scope='module')
def reference():
  """Two steps of the whole batch on one device."""
  return run(batches=[make_batch(0), make_batch(1)])


def assert_same_run(got, expected):
  for mine, theirs in zip(got[1], expected[1], strict=True):
    for name in theirs:
      np.testing.assert_allclose(
        mine[name], theirs[name], rtol=2e-5, err_msg=name
      )
  # A step is .03 of a parameter's root mean square: 1e-5 would show a
  # thousandth of it.
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
    got[0]['params'],
    expected[0]['params'],
  )


# All ways to write 8 as a product of three factors.
MESHES = [
  (data, fsdp, 8 // data // fsdp)
  for data in (1, 2, 4, 8)
  for fsdp in (1, 2, 4, 8)
  if data * fsdp <= 8
]


@pytest.mark.slow
@pytest.mark.parametrize('shape', MESHES, ids=str)
def test_all_meshes_train_alike(shape, reference):
  batches = [make_batch(0), make_batch(1)]
  assert_same_run(run(shape=shape, batches=batches), reference)


@pytest.mark.slow
def test_unscanned_layers_train_alike(reference):
  config = dataclasses.replace(CONFIG, scan_layers=False)
  batches = [make_batch(0), make_batch(1)]
  assert_same_run(run(config, batches=batches), reference)


def test_microbatches_equal_the_whole_batch(reference):
  batches = [make_batch(0), make_batch(1)]
  got = run(shape=(2, 2, 1), microbatches=4, batches=batches)
  assert_same_run(got, reference)


def test_metrics_describe_the_batch(reference):
  batch, metrics = make_batch(0), reference[1][0]
  assert metrics['target_tokens'] == batch['target_weights'].sum()
  assert metrics['tokens'] == (batch['segments'] > 0).sum()
  assert 0 <= metrics['accuracy'] <= 1
  norms = [metrics[f'{n}_norm'] for n in ('gradient', 'update', 'parameter')]
  assert all(norm > 0 for norm in norms)
  last = np.sqrt(
    sum((leaf**2).sum() for leaf in jax.tree.leaves(reference[0]['params']))
  )
  np.testing.assert_allclose(reference[1][1]['parameter_norm'], last, rtol=1e-5)


def test_batch_is_learned():
  _, history = run(batches=[make_batch()] * 30)
  assert history[-1]['loss'] < history[0]['loss'] - 0.5


def test_batch_without_targets_changes_nothing():
  empty = make_batch()
  empty['target_weights'] = np.zeros_like(empty['target_weights'])
  state, (metrics,) = run(batches=[empty])
  assert metrics['loss'] == metrics['accuracy'] == 0
  assert metrics['gradient_norm'] == metrics['update_norm'] == 0
  assert np.isfinite(list(metrics.values())).all()
  assert int(state['step']) == 1


@pytest.mark.slow
def test_dropout_is_drawn_from_seed_and_step():
  config = dataclasses.replace(CONFIG, dropout_rate=0.3)
  mesh, optimizer = make_mesh(1, 1, 1), make_optimizer(OPTIMIZER)
  step = make_train_step(config, optimizer, mesh)

  def loss(number, seed=1):
    state = first_state(optimizer, mesh)
    state['step'] = jnp.int32(number)
    state['seed'] = jnp.uint32(seed)
    return float(step(state, make_batch())[1]['loss'])

  assert loss(3) == loss(3)
  assert loss(3) != loss(4)
  assert loss(3) != loss(3, seed=2)


@pytest.mark.slow
def test_bfloat16_leaves_parameters_in_float32(reference):
  config = dataclasses.replace(CONFIG, compute_dtype='bfloat16', remat='full')
  state, history = run(config)
  types = {leaf.dtype for leaf in jax.tree.leaves(state['params'])}
  assert types == {jnp.dtype('float32')}
  np.testing.assert_allclose(
    history[0]['loss'], reference[1][0]['loss'], rtol=0.03
  )


@pytest.mark.slow_but_first
@pytest.mark.parametrize(
  'frozen', [('embedding', 'layers/(gate|up|down)'), ('layers/.*',)], ids=str
)
def test_frozen_parameters_do_not_change_and_others_do(frozen):
  config = dataclasses.replace(OPTIMIZER, frozen=frozen)
  mesh, optimizer = make_mesh(2, 2, 2), make_optimizer(config)
  step = make_train_step(CONFIG, optimizer, mesh, 2, frozen=frozen)
  state = first_state(optimizer, mesh)
  for seed in range(2):
    state, metrics = step(state, make_batch(seed))
  assert np.isfinite(float(metrics['loss']))

  def compare(path, before, after):
    name = jax.tree_util.keystr(path, simple=True, separator='/')
    still = any(re.fullmatch(pattern, name) for pattern in frozen)
    assert np.array_equal(before, after) == still, name

  jax.tree_util.tree_map_with_path(
    compare, first_params(), jax.device_get(state['params'])
  )


@pytest.mark.slow
def test_adapters_alone_are_trained_and_have_a_state():
  config = dataclasses.replace(
    CONFIG, lora_rank=2, lora_targets=('layers/(query|down)',)
  )
  settings = for_model(
    OptimizerConfig(optimizer='adamw', learning_rate=0.01), config
  )
  mesh, optimizer = make_mesh(2, 2, 2), make_optimizer(settings)
  step = make_train_step(config, optimizer, mesh, frozen=settings.frozen)
  base = jax.device_put(first_params(), param_shardings(CONFIG, mesh))
  new = adapters.init(config, 1, mesh)
  before = jax.device_get(new)
  state = init_state(config, optimizer, 1, mesh, adapters.add_to(base, new))
  for seed in range(2):
    state, metrics = step(state, make_batch(seed))
  assert float(metrics['gradient_norm']) > 0
  got = jax.device_get(state['params'])
  jax.tree.map(
    np.testing.assert_array_equal, adapters.without(got), first_params()
  )
  for name, leaf in adapters.only(got)['layers'].items():
    assert not np.array_equal(leaf, before['layers'][name]), name
  moments = sum(leaf.size for leaf in jax.tree.leaves(state['opt_state']))
  counters = 4 * (CONFIG.num_layers + 1)
  assert 0 < moments - 2 * config.lora_count() <= counters
  with pytest.raises(ConfigError, match='FROZEN is set, but with LORA_RANK'):
    for_model(OptimizerConfig(frozen=('embedding',)), config)


def test_rows_must_divide_by_mesh_and_microbatches():
  with pytest.raises(ConfigError, match=r'BATCH_ROWS=16 .*MICROBATCHES=4'):
    run(shape=(8, 1, 1), microbatches=4)


def test_state_has_the_declared_sharding():
  mesh, optimizer = make_mesh(2, 2, 2), make_optimizer(OPTIMIZER)
  state = first_state(optimizer, mesh)
  for leaf in jax.tree.leaves(state):
    assert leaf.sharding.mesh.shape == mesh.shape
  gate = state['params']['layers']['gate']
  assert gate.addressable_shards[0].data.shape == (2, 8, 12)


@pytest.mark.slow
def test_a_step_that_is_not_finite_is_skipped():
  mesh, optimizer = make_mesh(1, 1, 1), make_optimizer(OPTIMIZER)
  step = make_train_step(CONFIG, optimizer, mesh, skip_nonfinite=True)
  state, metrics = step(first_state(optimizer, mesh), make_batch())
  expected, (without,) = run()
  jax.tree.map(np.testing.assert_array_equal, jax.device_get(state), expected)
  assert metrics['skipped'] == 0 and float(metrics['loss']) == without['loss']
  bad = make_batch()
  bad['target_weights'][0] = np.nan
  after, metrics = step(state, bad)
  assert metrics['skipped'] == 1 and not np.isfinite(metrics['loss'])
  jax.tree.map(
    np.testing.assert_array_equal,
    jax.device_get(after),
    {**expected, 'step': expected['step'] + 1},
  )
