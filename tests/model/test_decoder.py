import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flan_jax.model import decoder, position, prediction
from tests.model.tiny_decoders import (
  ALL,
  BIASED,
  BOTH,
  EVERY,
  GEMMA,
  RELATIVE,
  ROPE,
  examples,
  make_batch,
  make_params,
)

hidden_states = jax.jit(decoder.hidden_states, static_argnums=0)
target_logits = jax.jit(prediction.target_logits, static_argnums=0)
target_outputs = jax.jit(prediction.target_outputs, static_argnums=0)


def log_probs(config, params, batch):
  """Returns log-probabilities of the targets in batch order."""
  got = target_outputs(config, params, batch).log_probs
  assert got.dtype == jnp.float32
  return np.asarray(got)[np.asarray(batch['target_weights']) > 0]


def naive_log_probs(config, params, example):
  """Computes one example, one query at a time, in float64."""
  params = jax.tree.map(lambda x: np.asarray(x, np.float64), params)
  layers, eps = params['layers'], config.norm_eps

  def norm(x, scale):
    return x / math.sqrt(np.mean(x * x) + eps) * scale

  def activate(x):
    if config.activation == 'silu':
      return x / (1 + np.exp(-x))
    return 0.5 * x * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x**3)))

  def rotate(x, place):
    half = config.head_dim // 2
    out = x.copy()
    for i in range(half):
      angle = place * config.rope_base ** (-i / half)
      cos, sin = math.cos(angle), math.sin(angle)
      out[:, i] = x[:, i] * cos - x[:, half + i] * sin
      out[:, half + i] = x[:, half + i] * cos + x[:, i] * sin
    return out

  buckets = position.distance_buckets(
    config.relative_buckets, config.relative_max_distance
  )
  stream = [params['embedding'][token].copy() for token in example]
  for n in range(config.num_layers):
    normed = [norm(x, layers['attention_norm'][n]) for x in stream]
    heads = {}
    for name in ('query', 'key', 'value'):
      bias = layers[f'{name}_bias'][n] if config.qkv_bias else 0
      heads[name] = [
        (x @ layers[name][n] + bias).reshape(-1, config.head_dim)
        for x in normed
      ]
    if config.qk_norm:
      for name in ('query', 'key'):
        scale = layers[f'{name}_norm'][n]
        heads[name] = [
          np.stack([norm(head, scale) for head in x]) for x in heads[name]
        ]
    if config.position == 'rope':
      for name in ('query', 'key'):
        heads[name] = [rotate(x, i) for i, x in enumerate(heads[name])]
    for i in range(len(example)):
      mixed = np.zeros((config.num_heads, config.head_dim))
      for head in range(config.num_heads):
        group = head * config.num_kv_heads // config.num_heads
        scores = np.array(
          [
            heads['query'][i][head]
            @ heads['key'][j][group]
            / math.sqrt(config.head_dim)
            for j in range(i + 1)
          ]
        )
        if config.position == 'relative_bias':
          for j in range(i + 1):
            bucket = buckets[min(i - j, config.relative_max_distance)]
            scores[j] += params['relative_bias'][bucket, head]
        weights = np.exp(scores - scores.max())
        weights /= weights.sum()
        for j in range(i + 1):
          mixed[head] += weights[j] * heads['value'][j][group]
      stream[i] = stream[i] + mixed.ravel() @ layers['output'][n]
    for i, x in enumerate(stream):
      y = norm(x, layers['feed_forward_norm'][n])
      gated = activate(y @ layers['gate'][n]) * (y @ layers['up'][n])
      stream[i] = x + gated @ layers['down'][n]
  table = params['embedding'].T
  if not config.tie_embeddings:
    table = params['unembedding']
  result = []
  for x, label in zip(stream[:-1], example[1:], strict=True):
    logits = norm(x, params['final_norm']) @ table
    shifted = logits - logits.max()
    result.append(shifted[label] - np.log(np.exp(shifted).sum()))
  return np.array(result)


@ALL
def test_matches_a_naive_decoder(config):
  params = make_params(config)
  (example,) = examples(21)
  got = log_probs(config, params, make_batch([[example]]))
  expected = naive_log_probs(config, params, example)
  np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow_but_first
@BOTH
def test_packing_keeps_losses_and_gradients(config):
  params = make_params(config)
  some = examples(5, 9, 3, 7)
  packed = make_batch([some[:3], some[3:]])
  unpacked = make_batch([[example] for example in some])

  def loss(params, batch):
    per_token = prediction.target_log_probs(config, params, batch)
    return -jnp.sum(per_token * batch['target_weights'])

  np.testing.assert_allclose(
    log_probs(config, params, packed),
    log_probs(config, params, unpacked),
    atol=1e-5,
  )
  of_packed, of_unpacked = (
    jax.jit(jax.grad(loss))(params, batch) for batch in (packed, unpacked)
  )
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4),
    of_packed,
    of_unpacked,
  )


def branching_batch(prompt, options):
  """Returns one prompt with its options as branches, then padding."""
  tokens, positions, branches = list(prompt), list(range(len(prompt))), []
  branches = [0] * len(prompt)
  where, labels = [], []
  for number, option in enumerate(options, 1):
    # The last token of the prompt predicts the first of every option.
    before = [len(prompt) - 1]
    before += range(len(tokens), len(tokens) + len(option) - 1)
    where += before
    labels += option
    tokens += option
    positions += range(len(prompt), len(prompt) + len(option))
    branches += [number] * len(option)
  padding = [0] * 3
  row = {
    'tokens': tokens + padding,
    'segments': [1] * len(tokens) + padding,
    'positions': positions + padding,
    'branches': branches + padding,
    'target_positions': where,
    'target_labels': labels,
  }
  batch = {name: np.array([value], np.int32) for name, value in row.items()}
  batch['target_weights'] = np.ones((1, len(labels)), np.float32)
  return batch


@pytest.mark.slow_but_first
@EVERY
def test_branches_match_separate_rows(config):
  params = make_params(config)
  prompt, *options = examples(8, 3, 1, 5)
  together = log_probs(config, params, branching_batch(prompt, options))
  apart = [
    log_probs(config, params, make_batch([[prompt + option]]))[-len(option) :]
    for option in options
  ]
  np.testing.assert_allclose(together, np.concatenate(apart), atol=1e-5)


@pytest.mark.slow_but_first
@BOTH
def test_segments_and_branches_never_see_each_other(config):
  # The gradient must be exactly zero: any path between them would show.
  params = make_params(config)
  packed = make_batch([examples(6, 5)])
  first = packed['segments'][0] == 1
  branching = branching_batch(*(lambda p, *o: (p, o))(*examples(4, 3, 2)))
  in_branch = branching['branches'][0] == 1
  # (batch, targets to probe, tokens that they must not depend on)
  probes = [
    (packed, first[packed['target_positions'][0]], ~first),
    (packed, ~first[packed['target_positions'][0]], first),
    (branching, np.array([1, 1, 1, 0, 0]), branching['branches'][0] == 2),
    (branching, np.array([0, 0, 0, 1, 1]), in_branch),
  ]

  @jax.jit
  @jax.grad
  def gradient(table, batch, probed):
    own = {**params, 'embedding': table}
    read = decoder.hidden_states(config, own, batch)[0]
    read = read[batch['target_positions'][0]]
    return jnp.sum(jnp.sin(read) * probed[:, None])

  for batch, probed, hidden in probes:
    # One table row per index, so that gradients tell indices apart.
    table = params['embedding'][batch['tokens'][0]]
    renamed = {**batch, 'tokens': np.arange(len(table), dtype=np.int32)[None]}
    size = np.abs(gradient(table, renamed, probed)).sum(axis=-1)
    assert (size[hidden] == 0).all()
    assert (size > 0).any()


@pytest.mark.slow_but_first
@BOTH
@pytest.mark.parametrize(
  'change',
  [{'scan_layers': False}, {'remat': 'full'}, {'remat': 'dots'}],
  ids=str,
)
def test_scan_and_remat_do_not_change_the_numbers(config, change):
  params = make_params(config)
  batch = make_batch([examples(6, 4), examples(7, 2, seed=1)])
  np.testing.assert_allclose(
    log_probs(config, params, batch),
    log_probs(dataclasses.replace(config, **change), params, batch),
    atol=1e-6,
  )


@pytest.mark.slow_but_first
@BOTH
def test_bfloat16_is_close_to_float32(config):
  params = make_params(config)
  batch = make_batch([examples(6, 4)])
  narrow = dataclasses.replace(config, compute_dtype='bfloat16')
  hidden = hidden_states(narrow, params, batch)
  assert hidden.dtype == jnp.bfloat16
  np.testing.assert_allclose(
    log_probs(narrow, params, batch),
    log_probs(config, params, batch),
    atol=0.2,
  )


def test_outputs_agree_with_the_logits():
  params = make_params(RELATIVE)
  batch = make_batch([examples(9)])
  hidden = hidden_states(RELATIVE, params, batch)
  logits = target_logits(RELATIVE, params, hidden[:, :-1])
  best = np.asarray(jnp.argmax(logits, axis=-1))
  batch['target_labels'][0, :4] = best[0, :4]
  outputs = target_outputs(RELATIVE, params, batch)
  np.testing.assert_array_equal(outputs.correct, best == batch['target_labels'])
  assert outputs.correct[0, :4].all()
  np.testing.assert_allclose(
    outputs.log_normalizers, jax.nn.logsumexp(logits, axis=-1), rtol=1e-5
  )


@pytest.mark.slow_but_first
@pytest.mark.parametrize('config', [RELATIVE, ROPE, BIASED, GEMMA])
@pytest.mark.parametrize('block', [3, 8])
def test_attention_in_blocks_matches_the_reference(config, block):
  params = make_params(config)
  batch = make_batch([examples(6, 4), examples(7, 2, seed=1)])
  plain = dataclasses.replace(config, attention='reference')
  blocks = dataclasses.replace(
    config, attention='blocks', attention_block=block
  )

  def gradients(config):
    def loss(params):
      per_token = prediction.target_log_probs(config, params, batch)
      return -jnp.sum(per_token * batch['target_weights'])

    return jax.jit(jax.value_and_grad(loss))(params)

  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4),
    gradients(blocks),
    gradients(plain),
  )


def test_dropout_follows_its_key():
  config = dataclasses.replace(RELATIVE, dropout_rate=0.5)
  params = make_params(config)
  batch = make_batch([examples(9)])

  def hidden(key):
    return np.asarray(hidden_states(config, params, batch, key))

  one, other = jax.random.key(1), jax.random.key(2)
  np.testing.assert_array_equal(hidden(one), hidden(one))
  assert not np.allclose(hidden(one), hidden(other))
  np.testing.assert_array_equal(
    hidden(None), hidden_states(RELATIVE, params, batch, one)
  )
