"""Draws follow the rates, and each pass visits every row once."""

from types import SimpleNamespace
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from flan_jax.batches import sampler as sampler_lib
from flan_jax.batches.sampler import Sampler, rendering_sizes
from flan_jax.cache.cached_split import RENDERING
from flan_jax.cache.framing import Framing
from flan_jax.errors import ConfigError
from flan_jax.testing.cached_splits import write_cached_split

_FRAMING = Framing(start=(), separator=(1,), end=(1,), between=(1,))


class _Split(SimpleNamespace):
  """A split of `rows` rows whose renderings number `renderings(row)`."""

  @classmethod
  def of(cls, name, rows, renderings=lambda row: 1):
    counts = [renderings(row) for row in range(rows)]
    renderings = np.zeros(sum(counts), RENDERING)
    renderings['row'] = np.repeat(np.arange(rows), counts)
    renderings['first'] = 2 * np.arange(len(renderings))
    generator = np.random.default_rng(rows)
    return cls(
      name=name,
      num_rows=rows,
      renderings=renderings,
      row_start=np.concatenate([[0], np.cumsum(counts)]),
      span_lengths=generator.integers(1, 30, 2 * len(renderings)),
    )

  def prompt_lengths(self, framing):
    lengths = self.span_lengths[self.renderings['first']]
    return lengths + framing.prompt_overhead

  def target_lengths(self, framing):
    return self.span_lengths[self.renderings['first'] + 1] + len(framing.end)


def test_mixture_epoch_draws_each_split_at_its_rate():
  splits = [_Split.of('a', 50), _Split.of('b', 4000), _Split.of('c', 700)]
  sampler = Sampler(splits, _FRAMING, seed=3)
  assert sampler.rates == (50, 3000, 700)
  assert sampler.epochs_per_window == -(-32768 // 3750)
  draws = sampler.draws(2)
  counts = np.bincount(draws.split)
  assert counts.tolist() == [
    r * sampler.epochs_per_window for r in sampler.rates
  ]


def test_pass_visits_each_row_once_with_its_next_rendering():
  split = _Split.of('a', 300, renderings=lambda row: 1 + row % 4)
  other = _Split.of('b', 77)
  sampler = Sampler([split, other], _FRAMING, seed=1)
  renderings = np.concatenate(
    [d.rendering[d.split == 0] for d in (sampler.draws(w) for w in range(3))]
  )
  rows = np.asarray(split.renderings['row'])[renderings]
  passes = len(rows) // 300
  assert passes > 8
  for number in range(passes):
    chosen = slice(number * 300, (number + 1) * 300)
    assert sorted(rows[chosen].tolist()) == list(range(300))
    rendering = renderings[chosen] - split.row_start[rows[chosen]]
    assert (rendering == number % (1 + rows[chosen] % 4)).all()


@given(st.data())
@settings(max_examples=40)
def test_epochs_keep_rates_and_passes_are_complete(data):
  sizes = data.draw(st.lists(st.integers(1, 60), min_size=1, max_size=4))
  rates = [data.draw(st.integers(1, 70)) for _ in sizes]
  splits = [
    _Split.of(f'{i}', size, renderings=lambda row: 1 + row % 3)
    for i, size in enumerate(sizes)
  ]
  with mock.patch.object(sampler_lib, 'WINDOW_DRAWS', 200):
    seed = data.draw(st.integers(0, 9))
    sampler = Sampler(splits, _FRAMING, seed, rates)
  epochs = sampler.epochs_per_window
  assert sum(rates) * (epochs - 1) < 200 <= sum(rates) * epochs
  windows = [sampler.draws(window) for window in range(3)]
  for index, (split, rate) in enumerate(zip(splits, rates, strict=True)):
    for draws in windows:
      assert (draws.split == index).sum() == rate * epochs
    renderings = np.concatenate(
      [d.rendering[d.split == index] for d in windows]
    )
    rows = split.renderings['row'][renderings]
    for first in range(0, len(rows) - split.num_rows + 1, split.num_rows):
      chosen = slice(first, first + split.num_rows)
      assert sorted(rows[chosen].tolist()) == list(range(split.num_rows))
      # Each with the rendering of this pass.
      rendering = renderings[chosen] - split.row_start[rows[chosen]]
      number = first // split.num_rows
      assert (rendering == number % (1 + rows[chosen] % 3)).all()


def test_far_window_needs_none_before_it():
  splits = [_Split.of('a', 300), _Split.of('b', 5000)]
  far = Sampler(splits, _FRAMING, seed=1).draws(1_000_000)
  again = Sampler(splits, _FRAMING, seed=1).draws(1_000_000)
  assert (far.rendering == again.rendering).all()
  other = Sampler(splits, _FRAMING, seed=2).draws(1_000_000)
  assert (far.rendering != other.rendering).any()


def test_adding_a_split_does_not_reorder_another():
  split = _Split.of('a', 3000)
  alone = Sampler([split], _FRAMING, seed=1).draws(0)
  joined = Sampler([_Split.of('b', 10), split], _FRAMING, seed=1).draws(0)
  first = joined.rendering[joined.split == 1]
  assert (first == alone.rendering[: len(first)]).all()


def test_expected_size_matches_the_draws():
  split = _Split.of('a', 900, renderings=lambda row: 1 + row % 3)
  sampler = Sampler([split], _FRAMING, seed=1)
  tokens, targets = sampler.expected()
  draws = sampler.draws(0)
  assert draws.length.sum() == pytest.approx(tokens, rel=0.02)
  assert draws.targets.sum() == pytest.approx(targets, rel=0.02)


def test_rendering_sizes_include_the_framing(tmp_path):
  inputs, targets, cut = map(np.array, ([5, 7], [2, 3], [False, True]))
  split = write_cached_split(tmp_path / 'a', 'a', inputs, targets, cut=cut)
  framing = Framing(start=(9,), separator=(8, 8), end=(1,), between=(1,))
  lengths, targets = rendering_sizes(split, framing)
  # start + input + separator + target + end - 1
  assert lengths.tolist() == [1 + 5 + 2 + 2 + 1 - 1, 1 + 7 + 2 + 3 - 1]
  assert targets.tolist() == [3, 3]


def test_split_without_rows_is_refused():
  with pytest.raises(ConfigError, match='no training rows in a'):
    Sampler([_Split.of('a', 0)], _FRAMING, seed=1)
