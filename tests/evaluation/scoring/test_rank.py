"""Scores do not depend on how examples share rows, batches and devices."""

import dataclasses
from unittest import mock

import jax
import numpy as np
import pytest

from flan_jax.batches.packing import Example
from flan_jax.evaluation.scoring import rank, rank_batches, trunks
from flan_jax.model import init_params, target_log_probs
from flan_jax.sharding import MeshConfig, make_mesh
from tests.evaluation.in_order import score
from tests.evaluation.stub_models import tiny_config

_ROW = 352
# What the prompts of a dataset begin with.
_BEGIN = tuple(np.random.default_rng(7).integers(3, 50, 70).tolist())
_log_probs = jax.jit(target_log_probs, static_argnums=0)


def _examples(seed=0, count=30, begin=()) -> list[Example]:
  generator = np.random.default_rng(seed)

  def tokens(low, high):
    return generator.integers(3, 50, generator.integers(low, high)).tolist()

  return [
    Example(
      [*begin, *tokens(1, 90)],
      tuple(tokens(1, 7) for _ in range(2 + index % 4)),
    )
    for index in range(count)
  ]


def _one_by_one(config, params, example: Example) -> list[np.ndarray]:
  """Scores every option after its prompt, alone in a padded row."""
  results = []
  for target in example.targets:
    tokens = np.zeros((1, _ROW), np.int32)
    first, length = len(example.prompt), len(example.prompt) + len(target)
    tokens[0, :length] = [*example.prompt, *target]
    places = np.arange(1, _ROW, dtype=np.int32)
    batch = {
      'tokens': tokens,
      'segments': (np.arange(_ROW) < length).astype(np.int32)[None],
      'positions': np.arange(_ROW, dtype=np.int32)[None],
      'target_positions': places[None] - 1,
      'target_labels': tokens[:, places],
      'target_weights': np.ones((1, _ROW - 1), np.float32),
    }
    log_probs = np.asarray(_log_probs(config, params, batch))[0]
    results.append(log_probs[first - 1 : length - 1])
  return results


def _mesh(count: int = 1, **shape) -> jax.sharding.Mesh:
  return make_mesh(MeshConfig(**shape), jax.devices()[:count])


def _sums(scored) -> np.ndarray:
  return np.array([v.sum() for options in scored for v in options])


def _assert_equal(a, b):
  assert (np.abs(a - b) <= 1e-5 * np.maximum(1, np.abs(b))).all()


@pytest.mark.slow_but_first
@pytest.mark.parametrize('position', ['relative_bias', 'rope'])
def test_shared_packed_scores_equal_one_option_per_row(position):
  config, mesh = tiny_config(position), _mesh()
  params = init_params(config, 0, mesh)
  examples = [
    *_examples(count=8),
    # Options that begin alike, and one that is the beginning of another.
    Example([3, 4], ([6, 7, 8], [6, 7, 9, 9], [6, 7, 3])),
    Example([9], ([6, 7, 8, 5], [6, 7, 8])),
  ]
  scored = score(rank.Scorer(config, mesh), params, examples)
  plain = [_one_by_one(config, params, example) for example in examples]
  for shared, alone in zip(scored, plain, strict=True):
    assert [len(v) for v in shared] == [len(v) for v in alone]
  _assert_equal(_sums(scored), _sums(plain))


@pytest.mark.parametrize('position', ['relative_bias', 'rope'])
def test_a_beginning_that_is_read_once_does_not_change_scores(position):
  config, mesh = tiny_config(position), _mesh()
  params = init_params(config, 0, mesh)
  # Half of them begin as the others do, and go on alike.
  examples = _examples(count=20, begin=_BEGIN)
  examples += _examples(1, count=20, begin=(*_BEGIN, *_BEGIN[::-1]))
  groups = rank_batches.groups_of(examples, config, 8192)
  assert sorted({len(group.trunk) for group in groups}) == [70, 140]
  scored = score(rank.Scorer(config, mesh), params, examples)
  _assert_equal(_sums(scored), _sums(_unshared(config, mesh, params, examples)))


def _unshared(config, mesh, params, examples):
  def alone(prompts):
    return [trunks.Shared(0, tuple(range(len(prompts))))]

  with mock.patch.object(trunks, 'shared', alone):
    return score(rank.Scorer(config, mesh), params, examples)


def test_scores_are_float32_whatever_a_model_computes_in():
  config = tiny_config()
  mesh = make_mesh(MeshConfig(), jax.devices()[:1])
  params = init_params(config, 0, mesh)
  examples = [Example([5, 6, 7], ([8, 1], [9, 1]))]
  # A kernel for bfloat16 is replaced, too.
  narrow = dataclasses.replace(
    config, compute_dtype='bfloat16', attention='cudnn'
  )
  wanted, found = (
    score(rank.Scorer(each, mesh), params, examples)
    for each in (config, narrow)
  )
  np.testing.assert_array_equal(found, wanted)
  narrow = dataclasses.replace(narrow, attention='auto')
  scorer = rank.Scorer(narrow, mesh, compute_dtype='bfloat16')
  assert not np.array_equal(score(scorer, params, examples), wanted)


def test_scores_do_not_depend_on_batch_size_or_order():
  config, mesh = tiny_config('relative_bias'), _mesh()
  params = init_params(config, 0, mesh)
  examples = _examples()
  scored = _sums(score(rank.Scorer(config, mesh), params, examples))
  small = rank.Scorer(config, mesh, tokens_per_batch=256)
  _assert_equal(_sums(score(small, params, examples)), scored)
  turned = score(rank.Scorer(config, mesh), params, examples[::-1])
  _assert_equal(_sums(turned[::-1]), scored)


def test_scores_do_not_depend_on_the_order_of_branches():
  config, mesh = tiny_config('relative_bias'), _mesh()
  params = init_params(config, 0, mesh)
  examples = _examples()
  turned = [Example(e.prompt, e.targets[::-1]) for e in examples]
  scorer = rank.Scorer(config, mesh)
  scored = score(scorer, params, examples)
  mirrored = [options[::-1] for options in score(scorer, params, turned)]
  _assert_equal(_sums(mirrored), _sums(scored))


@pytest.mark.slow
@pytest.mark.parametrize(
  'shape', [{'data': 8}, {'data': 2, 'fsdp': 2, 'model': 2}]
)
def test_scores_do_not_depend_on_the_mesh(shape):
  config = tiny_config('rope')
  examples = _examples(begin=_BEGIN)
  one = _mesh()
  scored = _unshared(config, one, init_params(config, 0, one), examples)
  mesh = _mesh(8, **shape)
  params = init_params(config, 0, mesh)
  _assert_equal(
    _sums(score(rank.Scorer(config, mesh), params, examples)), _sums(scored)
  )


def test_totals_include_the_end_token_and_ties_go_to_the_first():
  scores = rank.option_scores(
    [np.float32([-1, -2]), np.float32([-2, -1]), np.float32([-4])],
    ended=[True, True, False],
  )
  assert [s.total for s in scores] == [-3, -3, -4]
  assert [s.without_end for s in scores] == [-1, -2, -4]
  assert [s.tokens for s in scores] == [2, 2, 1]
  assert [s.text_tokens for s in scores] == [1, 1, 1]
  assert rank.best([s.total for s in scores]) == 0


def test_every_rule_has_its_values():
  scores = rank.option_scores(
    [np.float32([-3, -3, -1]), np.float32([-4, -1])], ended=[True, True]
  )
  alone = rank.option_scores(
    [np.float32([-1, -1, -1]), np.float32([-9, -1])], ended=[True, True]
  )
  assert rank.values_by_rule(scores, ['a bc', 'é'], alone) == {
    'acc_with_end': [-7, -5],
    'acc': [-6, -4],
    'acc_norm': [-6 / 4, -4 / 1],
    'acc_bytes': [-6 / 4, -4 / 2],
    'acc_per_token': [-3, -4],
    'acc_mutual_info': [-4, 5],
  }
  assert 'acc_mutual_info' not in rank.values_by_rule(scores, ['a', 'b'])


@pytest.mark.slow_but_first
@pytest.mark.parametrize('position', ['relative_bias', 'rope'])
def test_options_that_fill_several_rows_repeat_their_prompt(position):
  config, mesh = tiny_config(position), _mesh()
  params = init_params(config, 0, mesh)
  long = [
    Example(list(range(3, 43)) * 4, tuple([n] * 30 for n in range(3, 20))),
    Example([3, 4, 5], ([6, 6], [6, 7, 8])),
    # The prompt fills a row with any one option.
    Example(list(range(3, 43)) * 8, ([4] * 9, [5] * 7)),
  ]
  plain = [_one_by_one(config, params, example) for example in long]
  for tokens in (256, 8192):
    scored = score(rank.Scorer(config, mesh, tokens), params, long)
    for shared, alone in zip(scored, plain, strict=True):
      assert [len(v) for v in shared] == [len(v) for v in alone]
    _assert_equal(_sums(scored), _sums(plain))
