"""Vectors in the places of tokens count as if they were embeddings."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flan_jax import sharding
from flan_jax.model import (
  decoding,
  hidden_states,
  param_shardings,
  soft_prompt,
  target_log_probs,
  target_logits,
)
from flan_jax.training.optimizer import OptimizerConfig, make_optimizer
from flan_jax.training.step import init_state, make_train_step
from tests.model.tiny_decoders import (
  BOTH,
  RELATIVE,
  examples,
  make_batch,
  make_params,
)

_hidden_states = jax.jit(hidden_states, static_argnums=0)
_log_probs = jax.jit(target_log_probs, static_argnums=0)
_prefill = jax.jit(decoding.prefill, static_argnums=0)
_decode_step = jax.jit(decoding.decode_step, static_argnums=0)
# Two prompts, of three vectors and of two.
_FIRST, _SECOND = soft_prompt.prompt_ids(0, 3), soft_prompt.prompt_ids(3, 2)


def _prompted(config):
  return dataclasses.replace(config, prompt_vectors=5)


def _batch():
  """Packed examples: with the first prompt, the second, and with none."""
  one, two, three, four = examples(6, 4, 5, 7)
  return make_batch(
    [[[*_FIRST, *one], [*_SECOND, *two]], [three, [*_FIRST, *four]]]
  )


@BOTH
def test_vectors_count_like_rows_of_a_larger_table(config):
  params, batch = make_params(_prompted(config)), _batch()
  rows = [params['embedding'], params[soft_prompt.PROMPT]]
  larger = {**params, 'embedding': np.concatenate(rows)}
  del larger[soft_prompt.PROMPT]
  tokens = batch['tokens']
  numbered = np.where(tokens < 0, config.vocab_size - 1 - tokens, tokens)
  wanted = _hidden_states(config, larger, {**batch, 'tokens': numbered})
  got = _hidden_states(config, params, batch)
  np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.slow_but_first
@BOTH
def test_packed_examples_have_the_same_losses_as_alone(config):
  params = make_params(_prompted(config))
  one, two = examples(6, 4)
  alone = [[*_FIRST, *one], [*_SECOND, *two]]
  packed = _log_probs(config, params, make_batch([alone]))[0]
  apart = [
    _log_probs(config, params, make_batch([[example]]))[0] for example in alone
  ]
  np.testing.assert_allclose(packed, np.concatenate(apart), rtol=1e-4)


@pytest.mark.slow_but_first
@BOTH
def test_cached_generation_reads_the_prompt(config):
  params = make_params(_prompted(config))
  (text,) = examples(6)
  found = []
  for ids in (_FIRST, _SECOND):
    prompt, following = [*ids, *text], 9
    size = len(prompt)
    _, read = _prefill(config, params, make_batch([[prompt]]))
    recent = decoding.empty(config, 1, 1)
    logits, _ = _decode_step(
      config, params, read, recent, jnp.array([following]), jnp.array([size]), 0
    )
    whole = _hidden_states(config, params, make_batch([[[*prompt, following]]]))
    wanted = target_logits(config, params, whole[:, -1:])[0]
    np.testing.assert_allclose(logits, wanted, rtol=1e-4, atol=1e-4)
    found.append(np.asarray(logits))
  assert np.abs(found[0] - found[1]).max() > 0.1


def _run(shape):
  """Trains the prompt for two steps; returns parameters before, state after."""
  config = _prompted(RELATIVE)
  optimizer_config = OptimizerConfig(
    learning_rate=0.3,
    multiply_by_parameter_scale=False,
    weight_decay=1e-5,
    gradient_clip_norm=None,
    frozen=(soft_prompt.ALL_OTHERS,),
  )
  devices = jax.devices()[: int(np.prod(shape))]
  mesh = sharding.make_mesh(sharding.MeshConfig(*shape), devices)
  optimizer = make_optimizer(optimizer_config)
  before = make_params(config)
  placed = jax.device_put(before, param_shardings(config, mesh))
  state = init_state(config, optimizer, 0, mesh, placed)
  frozen = optimizer_config.frozen
  step = make_train_step(config, optimizer, mesh, frozen=frozen)
  one, two, three, four = examples(6, 4, 5, 7)
  rows = [
    [[*_FIRST, *one], [*_SECOND, *two]],
    [[*_FIRST, *three]],
    [[*_SECOND, *four]],
    [[*_FIRST, *two]],
  ]
  batch = make_batch(rows)
  for _ in range(2):
    state, metrics = step(state, batch)
  assert np.isfinite(float(metrics['loss']))
  return before, jax.device_get(state)


def test_nothing_but_the_prompt_is_trained():
  before, state = _run((1, 1, 1))
  after = state['params']
  moments = [leaf.size for leaf in jax.tree.leaves(state['opt_state'])]
  assert max(moments) == before[soft_prompt.PROMPT].size
  # A step of Adafactor is as long as its rate, whatever the gradient is.
  moved = np.abs(after[soft_prompt.PROMPT] - before[soft_prompt.PROMPT])
  assert moved.min(axis=1).max() > 0 and 0.1 < moved.max() < 3
  del after[soft_prompt.PROMPT]
  for name, leaf in _named(after).items():
    assert np.array_equal(leaf, _named(before)[name]), name


def _named(params):
  return {
    jax.tree_util.keystr(path): leaf
    for path, leaf in jax.tree_util.tree_leaves_with_path(params)
  }


@pytest.mark.slow
def test_meshes_train_a_prompt_alike():
  _, wanted = _run((1, 1, 1))
  _, got = _run((2, 2, 2))
  np.testing.assert_allclose(
    got['params'][soft_prompt.PROMPT],
    wanted['params'][soft_prompt.PROMPT],
    rtol=1e-3,
    atol=1e-3,
  )


def test_initial_vectors_are_means_of_embeddings():
  params = make_params(RELATIVE)
  mesh = sharding.make_mesh(sharding.MeshConfig(), jax.devices()[:2])
  got = soft_prompt.from_tokens(RELATIVE, params, [[4], [5, 7]], mesh)
  table = params['embedding']
  wanted = np.stack([table[4], (table[5] + table[7]) / 2])
  np.testing.assert_allclose(got, wanted, rtol=1e-6)
  # Of a model that scales embeddings, the vectors are what it reads.
  scaled = dataclasses.replace(RELATIVE, scale_embedding=True)
  got = soft_prompt.from_tokens(scaled, params, [[4]], mesh)
  np.testing.assert_allclose(got[0], 4 * table[4], rtol=1e-6)
  params = soft_prompt.add_to(params, got)
  read = soft_prompt.embed(scaled, params, jnp.array([[-1, 4]]))
  np.testing.assert_allclose(read[0, 0], read[0, 1], rtol=1e-6)
  drawn = np.asarray(soft_prompt.uniform(50, 20, 0.5, 0, mesh))
  assert np.abs(drawn).max() <= 0.5 and 0.25 < drawn.std() < 0.32
