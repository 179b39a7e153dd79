"""Tiny decoders, their parameters, and batches of random examples."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

from flan_jax.model import DecoderConfig, abstract_params

RELATIVE = DecoderConfig(
  vocab_size=37,
  num_layers=2,
  d_model=16,
  d_ff=24,
  num_heads=4,
  num_kv_heads=2,
  head_dim=8,
  relative_buckets=8,
  relative_max_distance=16,
)
ROPE = dataclasses.replace(
  RELATIVE, position='rope', activation='silu', tie_embeddings=True
)
# Qwen2 and Qwen3 combined.
BIASED = dataclasses.replace(ROPE, qkv_bias=True, qk_norm=True)
NEOX = dataclasses.replace(
  ROPE,
  rope_width=4,
  activation='gelu_exact',
  gated=False,
  norm='layer',
  parallel_block=True,
  tie_embeddings=False,
  qkv_bias=True,
  output_bias=True,
  feed_forward_bias=True,
)
OLMO2 = dataclasses.replace(
  ROPE, norm_place='after', qk_norm=True, qk_norm_heads='all'
)
# Gemma 2 and 3 combined: the second of two layers sees everything.
GEMMA = dataclasses.replace(
  ROPE,
  activation='gelu',
  scale_embedding=True,
  norm_place='both',
  norm_from_one=True,
  qk_norm=True,
  window=4,
  global_every=2,
  rope_local_base=100.0,
  query_scalar=12,
  attention_softcap=2.0,
  logits_softcap=3.0,
)
# What decoders of other families do differently.
VARIANTS = (NEOX, OLMO2, GEMMA)
BOTH = pytest.mark.parametrize('config', [RELATIVE, ROPE])
ALL = pytest.mark.parametrize('config', [RELATIVE, ROPE, BIASED])
EVERY = pytest.mark.parametrize('config', [RELATIVE, ROPE, BIASED, *VARIANTS])


@functools.cache
def make_params(config):
  """Returns parameters of about their initial scale, with norms unlike one."""
  rng = np.random.default_rng(0)

  def draw(path, leaf):
    if 'norm' in path[-1].key:
      return (1 + 0.1 * rng.normal(size=leaf.shape)).astype(np.float32)
    scale = 1 if path[-1].key == 'embedding' else leaf.shape[-2] ** -0.5
    return (scale * rng.normal(size=leaf.shape)).astype(np.float32)

  abstract = abstract_params(config)
  return jax.tree_util.tree_map_with_path(draw, abstract)


def make_batch(rows):
  """Returns rows of packed examples; all tokens but the first are targets."""
  length = max(sum(len(e) for e in row) for row in rows)
  targets = max(sum(len(e) - 1 for e in row) for row in rows)
  batch = {
    name: np.zeros((len(rows), length), np.int32)
    for name in ('tokens', 'segments', 'positions')
  }
  batch['target_positions'] = np.zeros((len(rows), targets), np.int32)
  batch['target_labels'] = np.zeros((len(rows), targets), np.int32)
  batch['target_weights'] = np.zeros((len(rows), targets), np.float32)
  for i, row in enumerate(rows):
    start = slot = 0
    for number, example in enumerate(row, 1):
      end, slots = start + len(example), slot + len(example) - 1
      batch['tokens'][i, start:end] = example
      batch['segments'][i, start:end] = number
      batch['positions'][i, start:end] = np.arange(len(example))
      batch['target_positions'][i, slot:slots] = np.arange(start, end - 1)
      batch['target_labels'][i, slot:slots] = example[1:]
      batch['target_weights'][i, slot:slots] = 1
      start, slot = end, slots
  return batch


def examples(*lengths, seed=0):
  rng = np.random.default_rng(seed)
  return [rng.integers(1, 37, length).tolist() for length in lengths]
