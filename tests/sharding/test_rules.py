import dataclasses

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P
import pytest

from flan_jax import model, sharding
from flan_jax.errors import ConfigError
from flan_jax.sharding import rules

CONFIG = model.DecoderConfig(
  vocab_size=40,
  num_layers=2,
  d_model=16,
  d_ff=32,
  num_heads=8,
  num_kv_heads=2,
  head_dim=4,
)


def make_mesh(data, fsdp, model):
  return sharding.make_mesh(sharding.MeshConfig(data, fsdp, model))


def test_parameters_follow_the_table():
  mesh = make_mesh(2, 2, 2)
  specs = jax.tree.map(lambda s: s.spec, model.param_shardings(CONFIG, mesh))
  assert specs['embedding'] == P('model', 'fsdp')
  assert specs['unembedding'] == P('fsdp', 'model')
  assert specs['relative_bias'] == P(None, 'model')
  assert specs['final_norm'] == P(None)
  assert specs['layers']['down'] == P(None, 'model', 'fsdp')
  assert sharding.batch_sharding(mesh).spec == P(('data', 'fsdp'))


def test_a_dimension_that_does_not_divide_is_named():
  odd = dataclasses.replace(CONFIG, d_ff=30)
  with pytest.raises(ConfigError, match=r'1 \(mlp\) of layers/down .*model=4'):
    model.param_shardings(odd, make_mesh(2, 1, 4))
  odd = dataclasses.replace(CONFIG, d_model=18)
  with pytest.raises(ConfigError, match=r'\(embed\) of embedding .*fsdp=4'):
    model.param_shardings(odd, make_mesh(2, 4, 1))


def test_query_heads_are_not_cut():
  # 24 columns divide by 8, but heads of 4 columns would be cut.
  odd = dataclasses.replace(CONFIG, num_heads=6, position='rope')
  with pytest.raises(ConfigError, match=r'num_heads=6 .*model=8'):
    model.param_shardings(odd, make_mesh(1, 1, 8))


def test_an_odd_vocabulary_stays_whole():
  odd = dataclasses.replace(CONFIG, vocab_size=37)
  specs = jax.tree.map(
    lambda s: s.spec, model.param_shardings(odd, make_mesh(2, 2, 2))
  )
  assert specs['embedding'] == P(None, 'fsdp')
  assert specs['unembedding'] == P('fsdp', None)


def test_rank_and_axes_must_agree():
  with pytest.raises(ValueError, match=r'table has shape \(4, 4\)'):
    sharding.rules.named_sharding(
      make_mesh(8, 1, 1), ['embed'], (4, 4), 'table'
    )


def test_constrain_acts_only_under_a_mesh():
  x = jnp.ones((8, 4))
  assert rules.constrain(x, 'batch', 'length') is x
  mesh = make_mesh(2, 2, 2)

  @jax.jit
  def pinned(x):
    return rules.constrain(x, 'batch', 'mlp')

  with jax.set_mesh(mesh):
    assert pinned(x).sharding.spec == P(('data', 'fsdp'), 'model')
    with pytest.raises(ConfigError, match='size 6'):
      pinned(jnp.ones((6, 4)))
