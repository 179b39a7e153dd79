"""Windows hold every draw once, are full, and are planned ahead."""

import gc
from types import SimpleNamespace
from unittest import mock
import weakref

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from flan_jax.batches import sampler as sampler_lib
from flan_jax.batches.loader import BatchPlan, PackingConfig
from flan_jax.batches.packing import Capacity, Packer, PackingError
from flan_jax.batches.sampler import Sampler
from flan_jax.batches.window import Windows, pack_window, rows_for_all
from flan_jax.cache.cached_split import RENDERING, Framing

_FRAMING = Framing(start=(), separator=(1,), end=(1,), between=(1,))


def _split(name: str, inputs: np.ndarray, targets: np.ndarray):
  """A split that has lengths and no tokens; one rendering a row."""
  renderings = np.zeros(len(inputs), RENDERING)
  renderings['first'] = 2 * np.arange(len(inputs))
  return SimpleNamespace(
    name=name,
    num_rows=len(inputs),
    renderings=renderings,
    row_start=np.arange(len(inputs) + 1),
    span_lengths=np.stack([inputs, targets], 1).reshape(-1),
    prompt_lengths=lambda framing: inputs + framing.prompt_overhead,
  )


def _log_normal(generator, median, spread, size, most):
  values = generator.lognormal(np.log(median), spread, size)
  return np.clip(values, 1, most).astype(int)


def _mixture(parts: int) -> list:
  """Parts whose lengths differ as those of FLAN's datasets do."""
  generator = np.random.default_rng(0)
  splits = []
  for part in range(parts):
    inputs = np.clip(generator.lognormal(5, 0.8), 25, 700)
    targets = np.clip(generator.lognormal(2.2, 1), 2, 100)
    splits.append(
      _split(
        f'part{part}',
        _log_normal(generator, inputs, 0.5, 5000, 1022),
        _log_normal(generator, targets, 0.4, 5000, 255),
      )
    )
  return splits


@pytest.mark.parametrize('pack_length', [1280, 2048])
def test_rows_of_a_large_mixture_are_full(pack_length):
  # At the defaults: capacities on, empty rows of the headroom counted.
  sampler = Sampler(_mixture(62), _FRAMING, seed=0)
  plan = BatchPlan(sampler, PackingConfig(pack_length=pack_length))
  assert plan.capacity.targets < pack_length
  for window in (0, 1_000):
    assert plan.fill(window) > 0.97


def _beside_halves(generator, count):
  """Half of the examples leave no room for a second one of their kind."""
  return np.where(generator.random(count) < 0.5, 70, 60)


def _no_two_alike(generator, count):
  return generator.integers(1, 100, count)


def _mostly_long(generator, count):
  return np.where(generator.random(count) < 0.8, generator.integers(60, 99), 5)


@pytest.mark.parametrize(
  'lengths', [_beside_halves, _no_two_alike, _mostly_long]
)
@pytest.mark.parametrize('targets', [64, 12])
def test_rows_for_all_hold_windows_to_come(lengths, targets):
  # Where rows depend on tokens, on what fits beside what, and on targets.
  generator = np.random.default_rng(0)
  splits = [
    _split(f'{i}', lengths(generator, n), generator.integers(1, 9, n))
    for i, n in enumerate((300, 5_000, 40_000))
  ]
  capacity = Capacity(128, targets, 256)
  with mock.patch.object(sampler_lib, 'WINDOW_DRAWS', 4_000):
    sampler = Sampler(splits, _FRAMING, seed=0)
  first = pack_window(sampler, capacity)
  rows = rows_for_all(first, capacity)
  needed = [pack_window(sampler, capacity, w).rows for w in range(1, 60)]
  assert max(needed) <= rows
  # Not by keeping rows for far more than ever comes.
  assert rows - first.rows < 12 * np.std(needed, ddof=1) + 9


def test_a_few_rows_are_kept_for_what_the_first_window_did_not_show():
  # Three fill a row to the last place; beside a longer one there is less room.
  lengths = np.full(200_000, 30)
  lengths[::50_000] = 35
  sampler = Sampler([_split('a', lengths, np.full(200_000, 3))], _FRAMING, 0)
  capacity = Capacity(102, 100, 256)
  first = pack_window(sampler, capacity)
  assert first.draws.length.max() == first.draws.length.min()
  needed = [pack_window(sampler, capacity, w).rows for w in range(1, 60)]
  assert first.rows < max(needed) <= rows_for_all(first, capacity)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_a_window_holds_every_draw_once_within_capacities(data):
  sizes = data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=5))
  seed, window = data.draw(st.integers(0, 99)), data.draw(st.integers(0, 10**6))
  generator = np.random.default_rng(seed)
  splits = [
    _split(f'{i}', generator.integers(1, 30, n), generator.integers(1, 9, n))
    for i, n in enumerate(sizes)
  ]
  capacity = Capacity(64, 24, 5)
  with mock.patch.object(sampler_lib, 'WINDOW_DRAWS', 100):
    sampler = Sampler(splits, _FRAMING, seed)
  drawn = sampler.draws(window)
  rows = len(drawn.split)  # Never too few.
  plan = Windows(sampler, capacity, rows, headroom=1).get(window)
  placed, counts = plan.read(np.arange(rows))
  assert _columns(placed) == _columns(drawn)
  assert len(counts) == rows and counts.max() <= capacity.segments
  row = np.repeat(np.arange(rows), counts)
  assert np.bincount(row, placed.length).max() <= capacity.tokens
  assert np.bincount(row, placed.targets).max() <= capacity.targets


def _columns(draws):
  return sorted(
    zip(
      draws.split.tolist(),
      draws.rendering.tolist(),
      draws.length.tolist(),
      draws.targets.tolist(),
      strict=True,
    )
  )


class _Counting(Sampler):
  """Counts the draws that were asked for."""

  asked = 0

  def draws(self, *args):
    drawn = super().draws(*args)
    self.asked += len(drawn.split)
    return drawn


def _windows(rows=2500):
  sampler = _Counting(_mixture(12), _FRAMING, seed=0)
  return Windows(sampler, Capacity(4096, 4096, 256), rows, 1.0), sampler


def test_a_window_planned_ahead_is_the_same_and_costs_nothing_more():
  windows, sampler = _windows()
  windows.get(0)
  for batches in range(50, 0, -1):
    windows.plan_ahead(1, batches)
  before = sampler.asked
  ahead = windows.get(1)
  assert sampler.asked == before
  at_once = _windows()[0].get(1)
  assert np.array_equal(ahead.row_start, at_once.row_start)
  assert _columns(ahead.draws) == _columns(at_once.draws)
  assert np.array_equal(ahead.draws.rendering, at_once.draws.rendering)


def test_planning_ahead_is_spread_evenly():
  windows, sampler = _windows()
  windows.plan_ahead(3, 1_000)
  assert 0 < sampler.asked < sum(sampler.rates)
  # A window that is asked for half planned is planned to the end.
  assert windows.get(3).draws.split.size == sum(sampler.rates)


def test_two_plans_are_held_at_most_and_nothing_they_were_made_with():
  windows, _ = _windows()
  plans = []
  gc.collect()
  gc.disable()  # No cycles: memory must not wait for the collector.
  try:
    for window in range(4):
      plans.append(weakref.ref(windows.get(window)))
      windows.plan_ahead(window + 1, 1)
      assert [plan() is not None for plan in plans] == [False] * window + [True]
    assert not any(isinstance(item, Packer) for item in gc.get_objects())
  finally:
    gc.enable()


def test_a_window_that_does_not_fit_is_an_error_when_it_is_reached():
  windows, _ = _windows(rows=100)
  windows.plan_ahead(1, 1)  # Training may end before it.
  with pytest.raises(PackingError, match=r'window 1 .* PACK_HEADROOM'):
    windows.get(1)


def test_a_first_window_that_is_packed_is_not_drawn_again():
  sampler = _Counting(_mixture(12), _FRAMING, seed=0)
  capacity = Capacity(4096, 4096, 256)
  first = pack_window(sampler, capacity)
  windows = Windows(sampler, capacity, first.rows + 9, None, first)
  found = windows.get(0)
  assert sampler.asked == sum(sampler.rates)
  planned = Windows(sampler, capacity, first.rows + 9, None).get(0)
  assert _columns(found.draws) == _columns(planned.draws)
  assert np.array_equal(found.row_start, planned.row_start)
  with pytest.raises(PackingError, match=r'HEADROOM None .* set it to'):
    Windows(sampler, capacity, first.rows - 1, None, first).get(0)
