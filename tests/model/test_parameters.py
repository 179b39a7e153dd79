import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flan_jax import sharding
from flan_jax.model import hidden_states, parameters, target_logits
from tests.model.tiny_decoders import (
  BOTH,
  EVERY,
  RELATIVE,
  ROPE,
  examples,
  make_batch,
)


def one_device():
  return sharding.make_mesh(sharding.MeshConfig(), jax.devices()[:1])


@EVERY
def test_param_count_matches_the_parameters(config):
  leaves = jax.tree.leaves(parameters.abstract_params(config))
  assert sum(leaf.size for leaf in leaves) == config.param_count()
  assert {leaf.dtype for leaf in leaves} == {jnp.dtype('float32')}


@pytest.mark.slow_but_first
@BOTH
def test_initial_logits_have_about_unit_variance(config):
  wide = dataclasses.replace(
    config, num_layers=1, d_model=128, d_ff=256, vocab_size=256
  )
  params = parameters.init_params(wide, 0, one_device())
  batch = make_batch([examples(16), examples(16, seed=1)])

  @jax.jit
  def logits(params):
    return target_logits(wide, params, hidden_states(wide, params, batch))

  assert 0.7 < float(jnp.std(logits(params))) < 1.4


@pytest.mark.slow
def test_initial_parameters_are_the_same_on_every_mesh():
  config = dataclasses.replace(ROPE, vocab_size=32)
  whole = parameters.init_params(config, 5, one_device())
  mesh = sharding.make_mesh(sharding.MeshConfig(data=2, fsdp=2, model=2))
  divided = parameters.init_params(config, 5, mesh)
  assert not divided['layers']['query'].sharding.is_fully_replicated
  jax.tree.map(np.testing.assert_array_equal, whole, divided)


def test_every_dimension_has_a_logical_axis():
  axes = parameters.logical_axes(RELATIVE)
  shapes = parameters.abstract_params(RELATIVE)
  ranks = jax.tree.map(lambda leaf, a: len(a) == leaf.ndim, shapes, axes)
  assert all(jax.tree.leaves(ranks))
  assert axes['layers']['output'] == ('layers', 'heads', 'embed')
