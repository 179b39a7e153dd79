import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flan_jax.model import attention, block_attention, multihead
from tests.model import heads as heads_lib
from tests.model.tiny_decoders import ROPE

LENGTH = 23
ROWS = [[9, 5, 7], [23]]


def bias_of(heads=4, distances=6):
  return jax.random.normal(jax.random.key(5), (heads, distances))


def blocks_of(block, attention='blocks', **rule):
  """Returns attention in blocks of this size, as `multihead` prepares it."""

  def attend(query, key, value, context):
    config = dataclasses.replace(
      ROPE, attention=attention, attention_block=block, **rule
    )
    context = multihead.prepare(config, context)
    return multihead.attend(config, query, key, value, context)

  return attend


@pytest.mark.slow_but_first
@pytest.mark.parametrize('block', [1, 4, 7, 8, 64])
@pytest.mark.parametrize('bias', [None, bias_of()], ids=['plain', 'bias'])
def test_matches_the_reference_with_gradients(block, bias):
  heads = heads_lib.random_heads(LENGTH)
  context = heads_lib.packed_context(ROWS, LENGTH, bias)
  got, expected = (
    heads_lib.outputs_and_gradients(attend, heads, context)
    for attend in (blocks_of(block), attention.attend_reference)
  )
  heads_lib.assert_close(got, expected, 2e-5)


@pytest.mark.parametrize('rows', [1, 2])
def test_pieces_of_rows_match_the_reference(rows, monkeypatch):
  heads = heads_lib.random_heads(LENGTH)
  monkeypatch.setattr(
    block_attention, '_PIECE', rows * heads[0].shape[2] * 8 * LENGTH
  )
  context = heads_lib.packed_context(ROWS, LENGTH, bias_of())
  got, expected = (
    heads_lib.outputs_and_gradients(attend, heads, context)
    for attend in (blocks_of(8, 'pieces'), attention.attend_reference)
  )
  heads_lib.assert_close(got, expected, 2e-5)


def test_branches_match_the_reference_with_gradients():
  heads = heads_lib.random_heads(LENGTH)
  context = heads_lib.packed_context(ROWS, LENGTH, bias_of())
  # The positions of the second branch restart at the prompt's end, 8.
  branches = np.zeros((2, LENGTH), np.int32)
  branches[1, 8:15], branches[1, 15:] = 1, 2
  positions = np.array(context.positions)
  positions[1, 15:] = np.arange(8, 16)
  context = context._replace(branches=branches, positions=positions)
  got, expected = (
    heads_lib.outputs_and_gradients(attend, heads, context)
    for attend in (blocks_of(8), attention.attend_reference)
  )
  heads_lib.assert_close(got, expected, 2e-5)


@pytest.mark.slow_but_first
@pytest.mark.parametrize('windowed', [None, True, False])
def test_windows_and_caps_match_the_reference_with_gradients(windowed):
  heads = heads_lib.random_heads(LENGTH)
  context = heads_lib.packed_context(ROWS, LENGTH, bias_of())
  if windowed is not None:
    context = context._replace(windowed=jnp.array(windowed))
  settings = {'attention_softcap': 0.7, 'query_scalar': 3.0, 'window': 5}
  rule = attention.Rule.of(dataclasses.replace(ROPE, **settings))
  got, expected, plain = (
    heads_lib.outputs_and_gradients(attend, heads, context)
    for attend in (
      blocks_of(8, 'pieces', **settings),
      functools.partial(attention.attend_reference, rule=rule),
      attention.attend_reference,
    )
  )
  heads_lib.assert_close(got, expected, 2e-5)
  assert np.abs(plain[0] - expected[0]).max() > 0.1


@pytest.mark.slow
def test_bfloat16_is_close_to_float32():
  context = heads_lib.packed_context(ROWS, LENGTH, bias_of())
  got, expected = (
    heads_lib.outputs_and_gradients(
      blocks_of(8), heads_lib.random_heads(LENGTH, dtype=dtype), context
    )
    for dtype in ('bfloat16', 'float32')
  )
  heads_lib.assert_close(got[0], expected[0], 0.05)
  for mine, theirs in zip(
    jax.tree.leaves(got[1]), jax.tree.leaves(expected[1]), strict=True
  ):
    distance = np.linalg.norm(np.asarray(mine - theirs, np.float32))
    assert distance < 0.03 * np.linalg.norm(np.asarray(theirs, np.float32))


@pytest.mark.slow
def test_a_long_row_has_few_blocks():
  # Blocks of one query would make a program of 64 parts.
  sizes = [keys.stop for _, keys in block_attention._blocks(64, 4)]
  assert sizes == list(range(4, 65, 4))
  heads = heads_lib.random_heads(64)
  context = heads_lib.packed_context([[64], [30, 34]], 64)
  lowered = jax.jit(blocks_of(1)).lower(*heads, context).as_text()
  assert lowered.count('stablehlo.exponential') == 16
  heads_lib.assert_close(
    blocks_of(1)(*heads, context),
    attention.attend_reference(*heads, context),
    2e-5,
  )


def test_padding_is_finite_and_has_no_gradient():
  heads = heads_lib.random_heads(LENGTH)
  context = heads_lib.packed_context([[5], [0]], LENGTH, bias_of())
  mixed, (grads, grad_bias) = heads_lib.outputs_and_gradients(
    blocks_of(8), heads, context
  )
  for grad in (mixed, *grads):
    assert np.isfinite(grad).all()
    assert (np.asarray(grad)[:, 5:] == 0).all()
  assert np.isfinite(grad_bias).all()


def test_memory_is_not_quadratic_in_the_length():
  length = 512
  heads = heads_lib.random_heads(length, batch=1)
  context = heads_lib.packed_context([[length]], length)

  def bytes_of(attend):
    def loss(heads):
      return jnp.sum(attend(*heads, context))

    compiled = jax.jit(jax.grad(loss)).lower(heads).compile()
    return compiled.memory_analysis().temp_size_in_bytes

  blocks = bytes_of(blocks_of(64))
  assert blocks < 0.5 * bytes_of(attention.attend_reference)


def test_sums_of_halves_are_for_cpus():
  x = jnp.arange(24.0).reshape(6, 4)
  sums = jax.jit(block_attention._sum_rows)
  np.testing.assert_array_equal(sums(x), x.sum(axis=0, keepdims=True))
  adds = {
    name: sums.trace(x).lower(lowering_platforms=(name,)).as_text()
    for name in ('cpu', 'tpu', 'cuda')
  }
  reduced = {name: 'stablehlo.reduce' in text for name, text in adds.items()}
  assert reduced == {'cpu': False, 'tpu': True, 'cuda': True}
