"""What is generated is what the model finds most probable, token by token."""

import jax
import numpy as np
import pytest

from flan_jax.evaluation.generate import Generator
from flan_jax.model import (
  DecoderConfig,
  hidden_states,
  init_params,
  target_logits,
)
from flan_jax.sharding import MeshConfig, make_mesh

_END = 1
_LIMIT = 6


def _config(position: str) -> DecoderConfig:
  return DecoderConfig(
    vocab_size=30,
    num_layers=2,
    d_model=16,
    d_ff=32,
    num_heads=4,
    num_kv_heads=2,
    head_dim=4,
    position=position,
  )


def _prompts() -> list[list[int]]:
  generator = np.random.default_rng(0)
  lengths = (1, 5, 40, 250, 7, 9)
  return [generator.integers(2, 30, n).tolist() for n in lengths]


def _mesh(count: int = 1) -> jax.sharding.Mesh:
  return make_mesh(MeshConfig(), jax.devices()[:count])


def _plain(config, params, prompt, limit, width=256) -> list[int]:
  """One token at a time, each from a fresh unpadded pass over one row."""
  tokens = list(prompt)
  while len(tokens) - len(prompt) < limit:
    batch = {
      'tokens': np.array([tokens + [0] * (width - len(tokens))], np.int32),
      'segments': (np.arange(width) < len(tokens)).astype(np.int32)[None],
      'positions': np.arange(width, dtype=np.int32)[None],
    }
    last = hidden_states(config, params, batch)[:, len(tokens) - 1][:, None]
    tokens.append(int(target_logits(config, params, last).argmax()))
    if tokens[-1] == _END:
      return tokens[len(prompt) : -1]
  return tokens[len(prompt) :]


@pytest.mark.parametrize('position', ['relative_bias', 'rope'])
def test_generation_is_greedy_and_the_same_in_any_batch(position):
  config, mesh = _config(position), _mesh()
  params = init_params(config, 0, mesh)
  prompts = _prompts()
  limits = [_LIMIT - i % 3 for i in range(len(prompts))]
  wanted = [
    _plain(config, params, prompt, limit, width=512 if len(prompt) > 99 else 64)
    for prompt, limit in zip(prompts, limits, strict=True)
  ]
  for tokens_per_batch in (256, 4096):
    generator = Generator(config, mesh, _END, tokens_per_batch)
    assert generator.generate(params, prompts, limits) == wanted


def test_generation_over_eight_devices():
  config = _config('rope')
  one, eight = _mesh(), _mesh(8)
  limits = [_LIMIT] * 6
  alone = Generator(config, one, _END).generate(
    init_params(config, 0, one), _prompts(), limits
  )
  counts = []
  together = Generator(config, eight, _END).generate(
    init_params(config, 0, eight), _prompts(), limits, counts.append
  )
  assert together == alone and sum(counts) == 6


def test_an_end_token_ends_an_answer_before_its_limit():
  config, mesh = _config('rope'), _mesh()
  params = init_params(config, 0, mesh)
  (free,) = Generator(config, mesh, -1).generate(params, [[5, 6]], [_LIMIT])
  # What it says third is taken for the end.
  (ended,) = Generator(config, mesh, free[2]).generate(
    params, [[5, 6]], [_LIMIT]
  )
  assert len(free) == _LIMIT
  assert ended == free[: free.index(free[2])]
