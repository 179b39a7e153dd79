"""Windows hold every draw once, have full rows, and are planned ahead."""

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
from flan_jax.batches.packing import Capacity, _Rows
from flan_jax.batches.sampler import Sampler
from flan_jax.batches.window import Windows, WindowStart, plan_window
from flan_jax.cache.cached_split import RENDERING
from flan_jax.cache.framing import Framing
from flan_jax.errors import ConfigError

_FRAMING = Framing(start=(), separator=(1,), end=(1,), between=(1,))


def _split(name: str, inputs: np.ndarray, targets: np.ndarray):
  """Returns a split with lengths but no tokens, one rendering per row."""
  renderings = np.zeros(len(inputs), RENDERING)
  renderings['first'] = 2 * np.arange(len(inputs))
  return SimpleNamespace(
    name=name,
    num_rows=len(inputs),
    renderings=renderings,
    row_start=np.arange(len(inputs) + 1),
    span_lengths=np.stack([inputs, targets], 1).reshape(-1),
    prompt_lengths=lambda framing: inputs + framing.prompt_overhead,
    target_lengths=lambda framing: targets + len(framing.end),
  )


def _log_normal(generator, median, spread, size, most):
  values = generator.lognormal(np.log(median), spread, size)
  return np.clip(values, 1, most).astype(int)


def _mixture(parts: int) -> list:
  """Returns splits whose lengths vary like those of FLAN's datasets."""
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


@pytest.mark.slow_but_first
@pytest.mark.parametrize('pack_length', [1280, 2048])
def test_rows_of_a_large_mixture_are_full(pack_length):
  # With default capacities; empty rows count.
  sampler = Sampler(_mixture(62), _FRAMING, seed=0)
  plan = BatchPlan(sampler, PackingConfig(pack_length=pack_length))
  assert plan.capacity.targets < pack_length
  plan.windows.start_at(WindowStart(1_000, 10**6))
  for step in (0, 10**6):
    assert plan.fill(step) > 0.995


@given(st.data())
@settings(max_examples=40)
def test_window_holds_every_draw_once_within_capacities(data):
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
  plan = plan_window(sampler, capacity, 4, window)
  rows = plan.rows
  placed, counts = plan.read(np.arange(rows))
  assert _columns(placed) == _columns(drawn)
  # Empty rows only round up to whole batches.
  assert rows % 4 == 0 and np.sum(counts == 0) < 4
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
  """Remembers which windows were drawn."""

  drawn: tuple[int, ...] = ()

  def draws(self, window):
    self.drawn += (window,)
    return super().draws(window)


def _windows() -> tuple[Windows, _Counting]:
  sampler = _Counting(_mixture(12), _FRAMING, seed=0)
  return Windows(sampler, Capacity(4096, 4096, 256), batch_rows=4), sampler


def _first_steps(windows: Windows, count: int) -> list[int]:
  """Returns the first step of each of the first windows."""
  first = [0]
  for _ in range(count - 1):
    plan, place = windows.find(first[-1])
    assert place == 0
    first.append(first[-1] + plan.rows // 4)
  return first


def test_windows_follow_each_other_and_are_planned_once():
  windows, sampler = _windows()
  first = _first_steps(windows, 4)
  for number, step in enumerate(first[1:-1], start=1):
    plan, place = windows.find(step - 1)
    assert place == plan.rows // 4 - 1
    assert windows.start_before(step - 1) == WindowStart(
      number - 1, first[number - 1]
    )
  walked, sampler = _windows()
  for step in range(0, first[-1], 5):
    walked.find(step)
  walked.find(first[-1])
  assert sampler.drawn in ((0, 1, 2, 3), (0, 1, 2, 3, 4))


@pytest.mark.slow
def test_far_step_is_found_from_the_start():
  walked, _ = _windows()
  first = _first_steps(walked, 4)
  for windows in (_windows()[0], _windows()[0]):
    found, place = windows.find(first[3] + 2)
    wanted, _ = walked.find(first[3])
    assert place == 2
    assert np.array_equal(found.row_start, wanted.row_start)
    assert np.array_equal(found.draws.rendering, wanted.draws.rendering)


@pytest.mark.slow
def test_known_start_saves_planning_earlier_windows():
  first = _first_steps(_windows()[0], 4)
  windows, sampler = _windows()
  windows.start_at(WindowStart(3, first[3]))
  assert windows.start_before(first[3] - 1) == WindowStart(0, 0)
  windows.find(first[3] + 1)
  assert sampler.drawn in ((3,), (3, 4))
  # An earlier step is found from the first window.
  plan, place = windows.find(first[2])
  assert place == 0
  assert _columns(plan.draws) == _columns(_windows()[0].find(first[2])[0].draws)


@pytest.mark.parametrize(
  'window',
  [
    {},
    {'window': 1, 'step': 2, 'more': 3},
    {'window': 'x', 'step': 2},
    {'window': True, 'step': True},
    {'window': -1, 'step': 2},
    {'window': 10**30, 'step': 2},
  ],
)
def test_a_start_that_cannot_be_is_refused(window):
  with pytest.raises(ConfigError, match='a/4 does not record which'):
    WindowStart.recorded({'window': window}, 'a/4')


def test_at_most_two_plans_are_kept_in_memory():
  windows, _ = _windows()
  first = _first_steps(windows, 4)
  windows, _ = _windows()
  plans = []
  gc.collect()
  gc.disable()  # Memory must be freed without the collector.
  try:
    for number, step in enumerate(first):
      plans.append(weakref.ref(windows.find(step)[0]))
      assert [plan() is not None for plan in plans] == [False] * number + [True]
    assert not any(isinstance(item, _Rows) for item in gc.get_objects())
  finally:
    gc.enable()
