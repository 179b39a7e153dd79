import dataclasses
import json

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P
import numpy as np
import optax
import pytest

from flan_jax import sharding
from flan_jax.errors import ConfigError
from flan_jax.training.optimizer import (
  OptimizerConfig,
  check_recorded,
  learning_rate,
  make_optimizer,
  recorded,
)
from flan_jax.training.optimizer_sharding import optimizer_sharding
from flan_jax.training.trained import trained, with_trained

CONFIG = OptimizerConfig(learning_rate=0.1, min_dim_size_to_factor=4)


def random_tree(seed, scale=1.0):
  rng = np.random.default_rng(seed)

  def draw(*shape):
    return jnp.asarray(scale * rng.normal(size=shape), jnp.float32)

  return {
    'embedding': draw(12, 8),
    'norm': draw(8),
    # More layers than any other dimension: plain Adafactor would factor them.
    'layers': {'up': draw(16, 8, 4), 'down': draw(16, 4, 8), 'n': draw(16, 8)},
  }


def updates_of(optimizer, params, steps=3):
  state = optimizer.init(params)
  update = jax.jit(optimizer.update)
  result = []
  for step in range(steps):
    updates, state = update(random_tree(step + 1), state, params)
    result.append(updates)
  return result


def test_layers_are_updated_independently():
  params = random_tree(0)
  unclipped = OptimizerConfig(
    learning_rate=0.1, min_dim_size_to_factor=4, gradient_clip_norm=None
  )
  stacked = updates_of(make_optimizer(unclipped), params)
  plain = optax.adafactor(0.1, min_dim_size_to_factor=4)
  for number in (0, 7):

    def layer(tree, number=number):
      return jax.tree.map(lambda leaf: leaf[number], tree['layers'])

    state = plain.init(layer(params))
    update = jax.jit(plain.update)
    for step, got in enumerate(stacked):
      expected, state = update(
        layer(random_tree(step + 1)), state, layer(params)
      )
      jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7),
        layer(got),
        expected,
      )


def test_norm_of_the_whole_gradient_is_clipped():
  # Only Adafactor's running means depend on the scale of a gradient. Clipping
  # shows in the second step, which a huge first gradient must not affect.
  params = random_tree(0)
  optimizer = make_optimizer(CONFIG)
  update = jax.jit(optimizer.update)
  huge, small = random_tree(1, scale=1e6), random_tree(2)
  _, after_huge = update(huge, optimizer.init(params), params)
  norm = optax.tree.norm(huge)
  unit = jax.tree.map(lambda g: g / norm, huge)
  _, after_unit = update(unit, optimizer.init(params), params)
  got, _ = update(small, after_huge, params)
  expected, _ = update(small, after_unit, params)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-7),
    got,
    expected,
  )


def test_the_learning_rate_is_constant_after_the_warm_up():
  config = OptimizerConfig(learning_rate=0.1, warmup_steps=4)
  rates = [float(learning_rate(config, step)) for step in range(1, 7)]
  assert rates == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1, 0.1])
  constant = OptimizerConfig(learning_rate=0.1)
  assert float(learning_rate(constant, 1)) == pytest.approx(0.1)


def test_warm_up_grows_linearly_and_keeps_the_structure():
  params = random_tree(0)
  warm = OptimizerConfig(
    learning_rate=0.1, min_dim_size_to_factor=4, warmup_steps=4
  )
  constant = updates_of(make_optimizer(CONFIG), params, steps=5)
  warmed = updates_of(make_optimizer(warm), params, steps=5)
  for step, share in enumerate((0.25, 0.5, 0.75, 1.0, 1.0)):
    np.testing.assert_allclose(
      warmed[step]['layers']['up'],
      share * constant[step]['layers']['up'],
      rtol=1e-5,
    )
  structures = [
    jax.tree.structure(jax.eval_shape(make_optimizer(c).init, params))
    for c in (warm, CONFIG)
  ]
  assert structures[0] == structures[1]


_AXES = {
  'embedding': ('vocab', 'embed'),
  'norm': ('norm',),
  'layers': {
    'up': ('layers', 'embed', 'mlp'),
    'down': ('layers', 'mlp', 'embed'),
    'n': ('layers', 'norm'),
  },
}


def test_sharding_of_the_factored_state():
  mesh = sharding.make_mesh(sharding.MeshConfig(data=2, fsdp=2, model=2))
  params = random_tree(0)
  shardings = sharding.rules.tree_shardings(mesh, _AXES, params)
  optimizer = make_optimizer(CONFIG)
  state = jax.eval_shape(optimizer.init, params)
  got = optimizer_sharding(optimizer, params, shardings)
  assert jax.tree.structure(got) == jax.tree.structure(state)
  # Every sharding fits its array.
  jax.tree.map(lambda s, leaf: s.shard_shape(leaf.shape), got, state)

  def factored(tree, part):
    nodes = jax.tree.leaves(
      tree, is_leaf=lambda n: isinstance(n, optax.FactoredState)
    )
    found = [n for n in nodes if isinstance(n, optax.FactoredState)]
    return found[('rest', 'stacked').index(part)]

  stacked, rest = factored(got, 'stacked'), factored(got, 'rest')
  # up is [layer, 8 over fsdp, 4 over model]: rows lack the largest dimension.
  assert stacked.v_row['up'].spec == P(None, 'model')
  assert stacked.v_col['up'].spec == P(None, 'fsdp')
  assert stacked.v_row['down'].spec == P(None, 'model')
  assert stacked.v_col['down'].spec == P(None, 'fsdp')
  assert stacked.v['up'].spec == P()
  assert stacked.v['n'].spec == P(None, None)
  assert rest.v_row['embedding'].spec == P('fsdp')
  assert rest.v_col['embedding'].spec == P('model')
  assert rest.count.spec == P()


@pytest.mark.slow
def test_sharding_follows_optax_where_dimensions_are_equal():
  # Shapes do not tell which dimension of a square matrix is reduced. Compare
  # with optax's result for a gradient that varies along one of them.
  optimizer = make_optimizer(CONFIG)
  params = {'square': jnp.ones((8, 8)), 'layers': {'up': jnp.ones((2, 8, 8))}}
  gradient = jnp.arange(1.0, 9.0)[:, None] * jnp.ones((1, 8))
  grads = {
    'square': gradient,
    'layers': {'up': jnp.broadcast_to(gradient[None], (2, 8, 8))},
  }
  _, state = optimizer.update(grads, optimizer.init(params), params)
  mesh = sharding.make_mesh(sharding.MeshConfig(data=2, fsdp=2, model=2))
  axes = {
    'square': ('embed', 'mlp'),
    'layers': {'up': ('layers', 'embed', 'mlp')},
  }
  got = optimizer_sharding(
    optimizer, params, sharding.rules.tree_shardings(mesh, axes, params)
  )

  def rows(tree, name):
    found = [
      leaf
      for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
      if f'.v_row[{name!r}]' in jax.tree_util.keystr(path)
    ]
    return found[0]

  for name, own in (('square', 0), ('up', 1)):
    varies = np.ptp(np.asarray(rows(state, name)), axis=-1).max() > 0
    assert rows(got, name).spec[own] == ('fsdp' if varies else 'model')


def test_adamw_is_that_of_optax_and_decays_no_vectors():
  config = OptimizerConfig(
    optimizer='adamw',
    learning_rate=0.1,
    schedule='cosine',
    decay_steps=4,
    beta2=0.95,
    weight_decay=0.01,
    gradient_clip_norm=None,
  )
  params = random_tree(0)
  found = updates_of(make_optimizer(config), params)
  is_matrix = jax.tree.map(lambda leaf: leaf.ndim > 1, params)
  is_matrix['layers']['n'] = False
  rate = optax.cosine_decay_schedule(0.1, 4)
  plain = optax.adamw(rate, b2=0.95, weight_decay=0.01, mask=is_matrix)
  for got, expected in zip(found, updates_of(plain, params), strict=True):
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7),
      got,
      expected,
    )


def test_moments_and_average_of_adamw_are_sharded_as_their_parameters():
  mesh = sharding.make_mesh(sharding.MeshConfig(data=2, fsdp=2, model=2))
  params = random_tree(0)
  shardings = sharding.rules.tree_shardings(mesh, _AXES, params)
  config = OptimizerConfig(
    optimizer='adamw', ema_decay=0.9, frozen=('layers/down', 'norm')
  )
  optimizer = make_optimizer(config)
  got = optimizer_sharding(optimizer, params, shardings)
  state = jax.eval_shape(optimizer.init, params)
  assert jax.tree.structure(got) == jax.tree.structure(state)
  own = trained(shardings, config.frozen)
  assert got.average == own
  found = [
    node
    for node in jax.tree.leaves(
      got.inner, is_leaf=lambda n: isinstance(n, optax.ScaleByAdamState)
    )
    if isinstance(node, optax.ScaleByAdamState)
  ]
  rest, stacked = found
  assert rest.mu == rest.nu == {'embedding': own['embedding']}
  assert stacked.mu == stacked.nu == own['layers']
  assert stacked.count.spec == P()


@pytest.mark.parametrize(
  'change',
  [
    {'learning_rate': 0.0},
    {'warmup_steps': -1},
    {'optimizer': 'adam'},
    {'ema_decay': 1.0},
  ],
)
def test_invalid_settings_are_refused(change):
  with pytest.raises(ConfigError, match=next(iter(change))):
    OptimizerConfig(**change)


def test_frozen_parameters_have_no_state():
  params = random_tree(0)
  config = OptimizerConfig(
    min_dim_size_to_factor=4, frozen=('embedding', 'layers/(up|n)')
  )
  state = make_optimizer(config).init(params)
  names = {
    entry.key
    for path, _ in jax.tree_util.tree_leaves_with_path(state)
    for entry in path
    if hasattr(entry, 'key')
  }
  assert names == {'stacked', 'rest', 'down', 'norm'}
  left = trained(params, config.frozen)
  assert set(left) == {'norm', 'layers'}
  changed = jax.tree.map(jnp.zeros_like, left)
  merged = with_trained(params, changed)
  assert jax.tree.structure(merged) == jax.tree.structure(params)
  assert merged['layers']['up'] is params['layers']['up']
  assert not merged['layers']['down'].any()


@pytest.mark.parametrize(
  ('frozen', 'message'),
  [
    (
      ('layers/upp',),
      "'layers/upp' matches no parameter; .* are embedding",
    ),
    (('.*',), 'matches all parameters'),
  ],
)
def test_freezing_no_or_all_parameters_is_refused(frozen, message):
  optimizer = make_optimizer(OptimizerConfig(frozen=frozen))
  with pytest.raises(ConfigError, match=message):
    optimizer.init(random_tree(0))


def test_invalid_expression_is_refused_at_once():
  with pytest.raises(ConfigError, match=r'frozen is .* regular expressions'):
    OptimizerConfig(frozen=('layers/(',))


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'final_learning_rate': 1e-6}, "'constant' schedule has no end"),
    ({'schedule': 'linear'}, 'DECAY_STEPS is None'),
    (
      {'schedule': 'cosine', 'decay_steps': 5, 'warmup_steps': 5},
      'needs more than the 5 of WARMUP_STEPS',
    ),
    (
      {'schedule': 'cosine', 'decay_steps': 5, 'final_learning_rate': 1.0},
      'must be at most LEARNING_RATE',
    ),
  ],
)
def test_schedules_that_cannot_be_are_refused(change, message):
  with pytest.raises(ConfigError, match=message):
    OptimizerConfig(**change)


def test_a_state_of_another_form_is_refused():
  config = OptimizerConfig(optimizer='adamw', frozen=('norm',))
  record = {'optimizer': recorded(config)}
  check_recorded(config, json.loads(json.dumps(record)), 'model')
  for change, message in (
    (
      {'optimizer': 'adafactor'},
      "with OPTIMIZER 'adamw', and it is 'adafactor'",
    ),
    ({'ema_decay': 0.9}, 'without EMA_DECAY: set EMA_DECAY as it was'),
    ({'frozen': ()}, r"with FROZEN \['norm'\], and it is \[\] now"),
  ):
    other = dataclasses.replace(config, **change)
    with pytest.raises(ConfigError, match=message):
      check_recorded(other, record, 'model')
  # Checkpoints from before AdamW record nothing.
  check_recorded(OptimizerConfig(frozen=('norm',)), {}, 'model')
  with pytest.raises(ConfigError, match="with OPTIMIZER 'adafactor'"):
    check_recorded(config, {}, 'model')
