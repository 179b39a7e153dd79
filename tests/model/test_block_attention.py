import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flan_jax.model import attention, block_attention, multihead
from tests.model import heads as heads_lib

LENGTH = 23
ROWS = [[9, 5, 7], [23]]


def bias_of(heads=4, distances=6):
  return jax.random.normal(jax.random.key(5), (heads, distances))


def blocks_of(block, attention='blocks'):
  """Attention in blocks of this size, as `multihead` prepares it."""

  def attend(query, key, value, sight):
    config = types.SimpleNamespace(attention=attention, attention_block=block)
    sight = multihead.prepare(config, sight)
    return multihead.attend(config, query, key, value, sight)

  return attend


@pytest.mark.parametrize('block', [1, 4, 7, 8, 64])
@pytest.mark.parametrize('bias', [None, bias_of()], ids=['plain', 'bias'])
def test_equals_the_reference_with_gradients(block, bias):
  heads = heads_lib.random_heads(LENGTH)
  sight = heads_lib.packed_sight(ROWS, LENGTH, bias)
  got, expected = (
    heads_lib.outputs_and_gradients(attend, heads, sight)
    for attend in (blocks_of(block), attention.attend_reference)
  )
  heads_lib.assert_close(got, expected, 2e-5)


@pytest.mark.parametrize('rows', [1, 2])
def test_pieces_of_rows_equal_the_reference(rows, monkeypatch):
  heads = heads_lib.random_heads(LENGTH)
  monkeypatch.setattr(
    block_attention, '_PIECE', rows * heads[0].shape[2] * 8 * LENGTH
  )
  sight = heads_lib.packed_sight(ROWS, LENGTH, bias_of())
  got, expected = (
    heads_lib.outputs_and_gradients(attend, heads, sight)
    for attend in (blocks_of(8, 'pieces'), attention.attend_reference)
  )
  heads_lib.assert_close(got, expected, 2e-5)


def test_branches_equal_the_reference_with_gradients():
  heads = heads_lib.random_heads(LENGTH)
  sight = heads_lib.packed_sight(ROWS, LENGTH, bias_of())
  # The second branch starts anew where the prompt of eight tokens ends.
  branches = np.zeros((2, LENGTH), np.int32)
  branches[1, 8:15], branches[1, 15:] = 1, 2
  positions = np.array(sight.positions)
  positions[1, 15:] = np.arange(8, 16)
  sight = sight._replace(branches=branches, positions=positions)
  got, expected = (
    heads_lib.outputs_and_gradients(attend, heads, sight)
    for attend in (blocks_of(8), attention.attend_reference)
  )
  heads_lib.assert_close(got, expected, 2e-5)


def test_bfloat16_is_near_float32():
  sight = heads_lib.packed_sight(ROWS, LENGTH, bias_of())
  got, expected = (
    heads_lib.outputs_and_gradients(
      blocks_of(8), heads_lib.random_heads(LENGTH, dtype=dtype), sight
    )
    for dtype in ('bfloat16', 'float32')
  )
  heads_lib.assert_close(got[0], expected[0], 0.05)
  for mine, theirs in zip(
    jax.tree.leaves(got[1]), jax.tree.leaves(expected[1]), strict=True
  ):
    distance = np.linalg.norm(np.asarray(mine - theirs, np.float32))
    assert distance < 0.03 * np.linalg.norm(np.asarray(theirs, np.float32))


def test_a_long_row_has_few_blocks():
  # One block a query: 64 would make a program of 64 parts.
  sizes = [keys.stop for _, keys in block_attention._blocks(64, 4)]
  assert sizes == list(range(4, 65, 4))
  heads = heads_lib.random_heads(64)
  sight = heads_lib.packed_sight([[64], [30, 34]], 64)
  lowered = jax.jit(blocks_of(1)).lower(*heads, sight).as_text()
  assert lowered.count('stablehlo.exponential') == 16
  heads_lib.assert_close(
    blocks_of(1)(*heads, sight),
    attention.attend_reference(*heads, sight),
    2e-5,
  )


def test_padding_is_finite_and_has_no_gradient():
  heads = heads_lib.random_heads(LENGTH)
  sight = heads_lib.packed_sight([[5], [0]], LENGTH, bias_of())
  mixed, (grads, grad_bias) = heads_lib.outputs_and_gradients(
    blocks_of(8), heads, sight
  )
  for grad in (mixed, *grads):
    assert np.isfinite(grad).all()
    assert (np.asarray(grad)[:, 5:] == 0).all()
  assert np.isfinite(grad_bias).all()


def test_no_square_of_the_length_is_in_memory():
  length = 512
  heads = heads_lib.random_heads(length, batch=1)
  sight = heads_lib.packed_sight([[length]], length)

  def bytes_of(attend):
    def loss(heads):
      return jnp.sum(attend(*heads, sight))

    compiled = jax.jit(jax.grad(loss)).lower(heads).compile()
    return compiled.memory_analysis().temp_size_in_bytes

  blocks = bytes_of(blocks_of(64))
  assert blocks < 0.5 * bytes_of(attention.attend_reference)
