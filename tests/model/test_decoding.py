"""Decoding token by token predicts what reading the whole text does."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flan_jax.evaluation.scoring import trunks
from flan_jax.model import (
  cast_matrices,
  decoding,
  hidden_states,
  read_trunk,
  target_logits,
  transposed,
)
from tests.model.tiny_decoders import (
  BOTH,
  EVERY,
  RELATIVE,
  ROPE,
  examples,
  make_batch,
  make_params,
)

_decode = jax.jit(decoding.decode_step, static_argnums=0)
_STEPS = 4
# Layers as a stack, or each with arrays of its own.
_LAYERS = pytest.mark.parametrize('apart', [False, True])


def _params(config, apart):
  params = make_params(config)
  if apart:
    params = jax.jit(functools.partial(transposed.lay_out, config))(params)
  return params


@functools.partial(jax.jit, static_argnums=0)
def _expected(config, params, text):
  hidden = hidden_states(config, params, text)
  return target_logits(config, params, hidden)


@functools.partial(jax.jit, static_argnums=0)
def _read(config, params, batch, trunk=None):
  hidden, read = decoding.prefill(config, params, {**batch, 'trunk': trunk})
  return hidden, decoding.padded_for(read, 80, trunk)


@pytest.mark.slow_but_first
@_LAYERS
@EVERY
def test_decoding_continues_a_packed_prompt(config, apart):
  other, text = examples(4, 13)
  prompt = 5
  expected = _expected(config, make_params(config), make_batch([[text]]))
  params = _params(config, apart)
  _, kept = _read(config, params, make_batch([[other, text[:prompt]]]))
  # The third of three prompts has no slot.
  cache = decoding.insert(
    decoding.empty(config, 2, len(text) + _STEPS, apart),
    kept,
    None,
    *np.array([[0, 1, 2], [0, 0, 0], [0, len(other), 0]]),
  )
  for start in range(prompt, len(text), _STEPS):
    starts = jnp.array([0, start])
    recent = decoding.empty(config, 2, _STEPS, apart)
    # No more than what is filled.
    known = decoding.first_tokens(cache, start + 1)
    for step, token in enumerate(text[start : start + _STEPS]):
      logits, recent = _decode(
        config, params, known, recent, jnp.array([0, token]), starts, step
      )
      np.testing.assert_allclose(
        logits[1], expected[0, start + step], rtol=1e-4, atol=1e-4
      )
    cache = decoding.append(cache, recent, starts)


@pytest.mark.slow_but_first
@_LAYERS
@BOTH
def test_prompts_after_what_they_share_are_as_if_read_whole(config, apart):
  first, *others = examples(6, 3, 5, 4)
  batch = make_batch([[first + others[0], first + others[1]]])
  params = _params(config, apart)
  hidden, whole = _read(config, params, batch)
  trunk = jax.jit(read_trunk, static_argnums=0)(
    config, params, trunks.batch_of(first, 1)
  )
  rest = make_batch([others[:2], others[2:]])
  rest['positions'] += len(first)
  after, read = _read(config, params, rest, trunk)
  logits = target_logits(config, params, after)[0, :8]
  wanted = target_logits(config, params, hidden)[
    0, [*range(6, 9), *range(15, 20)]
  ]
  np.testing.assert_allclose(logits, wanted, rtol=1e-5, atol=1e-5)
  # They are continued like it, too.
  cache = decoding.empty(config, 2, 80, apart)
  alone = decoding.insert(cache, whole, None, *np.array([[0], [0], [9]]))
  joined = decoding.insert(cache, read, trunk, *np.array([[0], [0], [3]]))
  for a, b in zip(*map(jax.tree.leaves, (alone, joined)), strict=True):
    np.testing.assert_allclose(
      a[..., 0, :, :11, :], b[..., 0, :, :11, :], rtol=1e-5, atol=1e-5
    )


@pytest.mark.slow_but_first
@pytest.mark.parametrize('config', [RELATIVE, ROPE])
@pytest.mark.parametrize('count', [3, 200])
def test_transposed_matrices_multiply_few_and_many_vectors(config, count):
  rng = np.random.default_rng(0)
  hidden = rng.normal(size=(1, count, config.d_model)).astype(np.float32)
  np.testing.assert_allclose(
    target_logits(config, _params(config, True), hidden),
    target_logits(config, make_params(config), hidden),
    rtol=1e-5,
    atol=1e-5,
  )


def test_parameters_in_the_compute_type_give_the_same_logits():
  config = dataclasses.replace(ROPE, compute_dtype='bfloat16')
  params = make_params(config)
  (text,) = examples(9)
  batch = make_batch([[text]])
  narrow = cast_matrices(params, 'bfloat16')
  assert narrow['layers']['query'].dtype == 'bfloat16'
  assert narrow['embedding'].dtype == 'bfloat16'
  assert narrow['final_norm'].dtype == np.float32
  np.testing.assert_array_equal(
    _expected(config, narrow, batch), _expected(config, params, batch)
  )
