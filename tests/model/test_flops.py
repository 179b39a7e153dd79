"""Compares the formula with the compiler and with a count by hand."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flan_jax.model import (
  DecoderConfig,
  abstract_params,
  adapters,
  flops,
  soft_prompt,
  target_log_probs,
)

# Wide enough for products to dominate. Unscanned and dense, because the
# compiler counts the body of a loop once.
TINY = DecoderConfig(
  vocab_size=1024,
  num_layers=2,
  d_model=128,
  d_ff=384,
  num_heads=4,
  num_kv_heads=2,
  head_dim=64,
  position='rope',
  scan_layers=False,
  attention='reference',
)
ROWS, LENGTH, TARGETS = 2, 256, 128


def _abstract_batch() -> dict[str, jax.ShapeDtypeStruct]:
  places = jax.ShapeDtypeStruct((ROWS, LENGTH), jnp.int32)
  targets = jax.ShapeDtypeStruct((ROWS, TARGETS), jnp.int32)
  return {
    **dict.fromkeys(('tokens', 'segments', 'positions'), places),
    **dict.fromkeys(('target_positions', 'target_labels'), targets),
  }


def _compiled(function, config=TINY) -> float:
  """Returns the operations that the compiler counts."""
  lowered = jax.jit(function).lower(abstract_params(config), _abstract_batch())
  return lowered.compile().cost_analysis()['flops']


def _dense_work() -> flops.Work:
  """Returns the work of the reference, which also computes hidden pairs."""
  work = flops.causal_rows(ROWS, LENGTH, TARGETS)
  return dataclasses.replace(work, pairs=ROWS * LENGTH * LENGTH)


def test_a_forward_pass_costs_what_the_compiler_counts():
  config = dataclasses.replace(TINY, lora_rank=48)
  counted = _compiled(
    lambda params, batch: target_log_probs(config, params, batch), config
  )
  expected = flops.forward_flops(config, _dense_work()).total
  assert counted == pytest.approx(expected, rel=0.04)
  # Each kind exceeds the tolerance, so a missing one would show.
  kinds = dataclasses.astuple(flops.forward_flops(config, _dense_work()))
  assert min(kinds) > 0.06 * expected


def test_training_costs_what_the_compiler_counts():
  loss = jax.grad(
    lambda params, batch: jnp.sum(target_log_probs(TINY, params, batch))
  )
  expected = flops.training_flops(TINY, _dense_work()).total
  assert _compiled(loss) == pytest.approx(expected, rel=0.04)


def test_training_a_prompt_needs_no_gradients_of_weights():
  config = dataclasses.replace(TINY, prompt_vectors=4)

  def loss(vectors, params, batch):
    params = soft_prompt.add_to(params, vectors)
    return jnp.sum(target_log_probs(config, params, batch))

  counted = _compiled(
    lambda params, batch: jax.grad(loss)(params['prompt'], params, batch),
    config,
  )
  expected = flops.training_flops(config, _dense_work()).total
  assert counted == pytest.approx(expected, rel=0.04)
  assert expected < 0.8 * flops.training_flops(TINY, _dense_work()).total


@pytest.mark.slow
def test_training_adapters_needs_gradients_of_no_other_weights():
  config = dataclasses.replace(TINY, lora_rank=8)

  def loss(own, params, batch):
    params = adapters.add_to(params, own)
    return jnp.sum(target_log_probs(config, params, batch))

  counted = _compiled(
    lambda params, batch: jax.grad(loss)(adapters.only(params), params, batch),
    config,
  )
  expected = flops.training_flops(config, _dense_work()).total
  assert counted == pytest.approx(expected, rel=0.04)
  assert expected < 0.9 * flops.training_flops(TINY, _dense_work()).total


def test_pairs_match_the_visibility_of_packed_segments():
  segments = np.array([1, 1, 1, 2, 2, 3, 0, 0])
  query, key = np.indices((8, 8))
  sees = (key <= query) & (segments[query] == segments[key])
  sees &= segments[key] > 0
  assert flops.visible_pairs([3, 2, 1]) == sees.sum()
  assert flops.causal_rows(2, 8, 1).pairs == 2 * np.sum(key <= query)


def test_pairs_within_a_window_count_in_the_layers_that_have_one():
  query, key = np.indices((8, 8))
  near = (key <= query) & (query - key < 3)
  work = flops.causal_rows(2, 8, 1, window=3)
  assert (work.pairs, work.near_pairs) == (72, 2 * near.sum())
  config = dataclasses.replace(TINY, num_layers=5, window=3, global_every=2)
  pairs = 2 * 72 + 3 * work.near_pairs
  assert flops.forward_flops(config, work).attention == 2 * 2 * 256 * pairs


def test_kinds_add_up_and_scale():
  work = flops.causal_rows(rows=4, length=10, targets=3)
  once = flops.forward_flops(TINY, work)
  assert once.total == sum(dataclasses.astuple(once))
  # 4 x 10 tokens through 2 layers of 3 matrices of 128 x 384.
  assert once.feed_forward == 2 * 40 * 2 * 3 * 128 * 384
  # Queries and output, 128 x 256 each; keys and values, 128 x 128 each.
  assert once.projections == 2 * 40 * 2 * (2 * 128 * 256 + 2 * 128 * 128)
  assert once.attention == 2 * 2 * 2 * 256 * (4 * 55)
  assert once.logits == 2 * 4 * 3 * 128 * 1024
  assert flops.training_flops(TINY, work).total == 3 * once.total
