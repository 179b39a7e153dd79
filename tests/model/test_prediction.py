import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flan_jax import sharding
from flan_jax.model import abstract_params, param_shardings, prediction
from tests.model.tiny_decoders import (
  BOTH,
  RELATIVE,
  examples,
  make_batch,
  make_params,
)


def outputs_and_gradients(config, batch, mesh=None):
  params = make_params(config)
  if mesh is not None:
    params = jax.device_put(params, param_shardings(config, mesh))

  @jax.jit
  def run(params):
    def loss(params):
      outputs = prediction.target_outputs(config, params, batch)
      per_token = jnp.square(outputs.log_normalizers) - outputs.log_probs
      return jnp.sum(per_token * batch['target_weights']), outputs

    return jax.grad(loss, has_aux=True)(params)

  if mesh is None:
    return run(params)
  with jax.set_mesh(mesh):
    return run(params)


def assert_same(got, expected):
  np.testing.assert_array_equal(got[1].correct, expected[1].correct)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4),
    (got[0], got[1]._replace(correct=0)),
    (expected[0], expected[1]._replace(correct=0)),
  )


@pytest.mark.slow_but_first
@BOTH
@pytest.mark.parametrize('block', [1, 8, 10, 36])
def test_vocabulary_blocks_match_the_whole(config, block):
  # No block size divides 37 tokens evenly.
  batch = make_batch([examples(6, 4), examples(7, 2, seed=1)])
  blocks = dataclasses.replace(config, vocab_block=block)
  assert_same(
    outputs_and_gradients(blocks, batch), outputs_and_gradients(config, batch)
  )


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize('vocab_size', [37, 40], ids=['whole', 'divided'])
def test_blocks_on_a_mesh_match_one_device(config, vocab_size):
  config = dataclasses.replace(config, vocab_size=vocab_size)
  mesh = sharding.make_mesh(sharding.MeshConfig(data=1, fsdp=2, model=4))
  batch = make_batch([examples(6, 4), examples(7, 2, seed=1)])
  blocks = dataclasses.replace(config, vocab_block=4)
  assert_same(
    outputs_and_gradients(blocks, batch, mesh),
    outputs_and_gradients(config, batch),
  )


@pytest.mark.slow
def test_blocks_never_hold_all_logits():
  config = dataclasses.replace(RELATIVE, vocab_size=20_000)
  batch = make_batch([examples(40)])

  def bytes_of(config):
    def loss(params):
      outputs = prediction.target_outputs(config, params, batch)
      return jnp.sum(outputs.log_probs)

    lowered = jax.jit(jax.grad(loss)).lower(abstract_params(config))
    return lowered.compile().memory_analysis().temp_size_in_bytes

  logits = 4 * 39 * 20_000
  blocks = dataclasses.replace(config, vocab_block=1_000)
  assert bytes_of(blocks) < logits < bytes_of(config)


def test_large_vocabularies_use_blocks_by_default():
  assert RELATIVE.logits_block() == 37
  large = dataclasses.replace(RELATIVE, vocab_size=151_936)
  assert large.logits_block() == 16_384
  chosen = dataclasses.replace(large, vocab_block=1000)
  assert chosen.logits_block() == 1000
