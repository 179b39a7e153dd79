"""Generation yields the most probable token at every step, in any batch."""

import jax
import numpy as np
import pytest

from flan_jax.evaluation.generation.generator import Generator
from flan_jax.evaluation.generation.sampling import Sampling
from flan_jax.evaluation.generation.slot_programs import SlotPrograms
from flan_jax.evaluation.scoring import trunks
from flan_jax.model import (
  decoding,
  hidden_states,
  init_params,
  target_logits,
)
from flan_jax.sharding import MeshConfig, make_mesh, rules
from tests.evaluation.in_order import generate
from tests.evaluation.stub_models import tiny_config

_END = 1
_LIMIT = 6
_batch_of = trunks.batch_of


def _prompts() -> list[list[int]]:
  generator = np.random.default_rng(0)
  lengths = (1, 5, 40, 250, 7, 9)
  return [generator.integers(2, 30, n).tolist() for n in lengths]


def _mesh(count: int = 1) -> jax.sharding.Mesh:
  return make_mesh(MeshConfig(), jax.devices()[:count])


def _plain(config, params, prompt, limit, width=256) -> list[int]:
  """Generates one token at a time, each from a fresh pass over one row."""
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


@pytest.mark.slow
@pytest.mark.parametrize('position', ['relative_bias', 'rope'])
def test_generation_is_greedy_and_the_same_in_any_batch(position):
  config, mesh = tiny_config(position, vocab_size=30), _mesh()
  params = init_params(config, 0, mesh)
  prompts = _prompts()
  limits = [_LIMIT - i % 3 for i in range(len(prompts))]
  wanted = [
    _plain(config, params, prompt, limit, width=512 if len(prompt) > 99 else 64)
    for prompt, limit in zip(prompts, limits, strict=True)
  ]
  for tokens_per_batch in (256, 4096):
    generator = Generator(config, mesh, [_END], tokens_per_batch)
    assert generate(generator, params, prompts, limits) == wanted


@pytest.mark.slow
@pytest.mark.parametrize('shape', [(8, 1, 1), (1, 2, 4)], ids=str)
def test_generation_over_eight_devices(shape, monkeypatch):
  config = tiny_config('rope', vocab_size=30)
  # Four devices divide two key heads: each is there twice.
  assert (config.num_heads, config.num_kv_heads) == (4, 2)
  cached = []
  advance = SlotPrograms.advance

  def spy(*args):
    cache, added = advance(*args)
    cached.extend(jax.tree.leaves(cache))
    return cache, added

  # Some begin with the same tokens.
  prompts = [[2] * 130, *([3] * 70 + prompt for prompt in _prompts()[:2])]

  def answers(mesh):
    params = init_params(config, 0, mesh)
    generator = Generator(config, mesh, [_END])
    return generate(generator, params, prompts, [_LIMIT] * len(prompts))

  alone = answers(_mesh())
  monkeypatch.setattr(SlotPrograms, 'advance', spy)
  mesh = make_mesh(MeshConfig(*shape))
  assert answers(mesh) == alone
  for array in cached:
    assert array.shape[2] == max(2, shape[2])
    wanted = rules.named_sharding(mesh, decoding.AXES, array.shape)
    assert array.sharding.is_equivalent_to(wanted, array.ndim)


@pytest.mark.slow
def test_any_end_token_ends_an_answer_before_its_limit():
  config, mesh = tiny_config('rope', vocab_size=30), _mesh()
  params = init_params(config, 0, mesh)
  (free,) = generate(Generator(config, mesh, [-1]), params, [[5, 6]], [_LIMIT])
  # Its third token serves as one of two end tokens.
  (ended,) = generate(
    Generator(config, mesh, [-1, free[2]]), params, [[5, 6]], [_LIMIT]
  )
  assert len(free) == _LIMIT
  assert ended == free[: free.index(free[2])]


def test_slots_are_filled_again_until_all_prompts_are_answered():
  config, mesh = tiny_config('relative_bias', vocab_size=30), _mesh()
  params = init_params(config, 0, mesh)
  rng = np.random.default_rng(1)
  prompts = [rng.integers(2, 30, n).tolist() for n in rng.integers(1, 60, 23)]
  limits = rng.integers(0, 30, 23).tolist()
  # Two slots for 23 prompts whose answers differ in length, or one for each.
  few, many = (
    generate(Generator(config, mesh, [_END], tokens), params, prompts, limits)
    for tokens in (512, 8192)
  )
  assert few == many
  assert [len(a) <= n for a, n in zip(few, limits, strict=True)] == [True] * 23
  assert max(map(len, few)) > 8  # More than one round on the device.


@pytest.mark.slow_but_first
@pytest.mark.parametrize('position', ['relative_bias', 'rope'])
def test_prompts_that_share_their_beginning_are_answered_as_alone(
  position, monkeypatch
):
  config, mesh = tiny_config(position, vocab_size=30), _mesh()
  params = init_params(config, 0, mesh)
  rng = np.random.default_rng(2)
  first = rng.integers(2, 30, 130).tolist()
  ends = [rng.integers(2, 30, n).tolist() for n in rng.integers(1, 40, 12)]
  prompts = [first + end for end in ends] + ends
  limits = [9] * len(prompts)

  def found():
    generator = Generator(config, mesh, [_END], 1024)
    return generate(generator, params, prompts, limits)

  read = []
  monkeypatch.setattr(
    trunks, 'batch_of', lambda *args: read.append(args) or _batch_of(*args)
  )
  together = found()
  assert [len(tokens) for tokens, _ in read] == [130]
  monkeypatch.setattr(trunks, 'shared', _nothing_shared)
  assert together == found()
  assert len(read) == 1


def _nothing_shared(prompts):
  return [trunks.Shared(0, tuple(range(len(prompts))))]


@pytest.mark.slow
def test_draws_depend_on_seed_prompt_and_place_and_not_on_the_batch():
  config, mesh = tiny_config('rope', vocab_size=30), _mesh()
  params = init_params(config, 0, mesh)
  prompts, limits = [[5, 6], [5, 6], [7], [8, 9]], [6] * 4

  def draw(tokens_per_batch, **sampling):
    generator = Generator(
      config, mesh, [-1], tokens_per_batch, Sampling(1.0, **sampling)
    )
    return generate(generator, params, prompts, limits)

  drawn = draw(8192)
  assert drawn == draw(256)
  assert drawn[0] != drawn[1]  # The same prompt, twice.
  assert drawn != draw(8192, seed=1)


@pytest.mark.slow
def test_ids_beyond_the_vocabulary_never_come():
  config, mesh = tiny_config('rope', vocab_size=30), _mesh()
  params = init_params(config, 0, mesh)
  generator = Generator(
    config, mesh, [-1], sampling=Sampling(5.0), vocab_size=3
  )
  (tokens,) = generate(generator, params, [[5, 6]], [40])
  assert set(tokens) == {0, 1, 2}


def test_a_stop_ends_an_answer():
  config, mesh = tiny_config('rope', vocab_size=30), _mesh()
  params = init_params(config, 0, mesh)
  generator = Generator(config, mesh, [-1])
  (free,) = generate(generator, params, [[5, 6]], [20])
  cut = free.index(free[4])
  (stopped,) = generate(
    generator,
    params,
    [[5, 6]],
    [20],
    stop=lambda tokens: cut if free[4] in tokens else None,
  )
  assert stopped == free[:cut]
