"""A batch is a pure function of what `data_order_digest` covers."""

import dataclasses
import hashlib
from types import SimpleNamespace
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
import jax
import numpy as np
import pytest

from flan_jax.batches import sampler as sampler_lib
from flan_jax.batches.few_shot import FewShotSplit
from flan_jax.batches.loader import (
  BatchPlan,
  Loader,
  PackingConfig,
  abstract_batch,
  global_batch,
  local_rows,
)
from flan_jax.batches.packing import PackingError
from flan_jax.batches.sampler import Sampler
from flan_jax.batches.window import WindowStart
from flan_jax.cache.framing import Framing
from flan_jax.sharding import MeshConfig, batch_sharding, make_mesh
from flan_jax.testing.cached_splits import write_cached_split

_PACKING = PackingConfig(batch_rows=8, pack_length=400)
_FRAMING = Framing(start=(), separator=(1,), end=(1,), between=(1,))
# All fields differ, and some have several tokens.
_LONG_FRAMING = Framing(
  start=(2,), separator=(5, 6), end=(1,), between=(7, 8, 9)
)


@pytest.fixture(scope='module')
def splits(tmp_path_factory):
  """Splits of one to three shards and renderings; some targets are cut."""
  folder = tmp_path_factory.mktemp('cache')
  made = []
  for index, (rows, shards) in enumerate([(400, 3), (5000, 1), (900, 2)]):
    renderings = 1 + np.arange(rows) % (index + 1)
    number = np.arange(renderings.sum())
    made.append(
      write_cached_split(
        folder / f'{index}',
        f'part{index}',
        inputs=5 + (number * number * 7 + 13 * number) % 90,
        targets=1 + (number * number * 3 + number) % (5 + 10 * index),
        per_row=renderings,
        cut=number % 11 == 3,
        shards=shards,
        seed=index,
        lengths={'inputs': 400, 'targets': 40},
      )
    )
  return made


def _plan(splits, packing=_PACKING, seed=0, framing=_FRAMING) -> BatchPlan:
  return BatchPlan(Sampler(splits, framing, seed), packing)


def _small_sampler(splits, seed) -> Sampler:
  """A sampler whose windows are short."""
  with mock.patch.object(sampler_lib, 'WINDOW_DRAWS', 300):
    return Sampler(splits, _FRAMING, seed, rates=[60, 90, 150])


def _equal(a, b) -> bool:
  return all(np.array_equal(a[name], b[name]) for name in a)


def _digest(plan: BatchPlan) -> str:
  window = _steps(plan)
  found = hashlib.sha256()
  for step in (0, 1, window - 1, window, 3 * window + 5):
    batch = plan.batch(step)
    for name in sorted(batch):
      found.update(f'{name}{batch[name].dtype}'.encode())
      found.update(batch[name].tobytes())
  return found.hexdigest()[:16]


_TIGHT = PackingConfig(8, 300, target_budget=60, max_segments=6)


@pytest.mark.parametrize(
  'framing, packing, wanted',
  [
    (_FRAMING, PackingConfig(4, 512), 'a03694904d3076bc'),
    (_FRAMING, _TIGHT, 'bf4ed7293adb02d1'),
    (_LONG_FRAMING, PackingConfig(4, 512), '4060243314562197'),
    (_LONG_FRAMING, _TIGHT, '06383e07ad2726f5'),
  ],
)
def test_batches_do_not_change_between_versions(
  splits, framing, packing, wanted
):
  # A run resumed with a later version must continue with the same batches. If
  # you change the order on purpose, increment _ORDER_VERSION in the loader.
  assert _digest(_plan(splits, packing, seed=3, framing=framing)) == wanted


def test_few_shot_batches_do_not_change_between_versions(splits):
  views = [
    FewShotSplit(splits[0], splits[0], 5, 0, _LONG_FRAMING),
    splits[1],
    FewShotSplit(splits[2], splits[2], 16, 1, _LONG_FRAMING),
  ]
  packing = PackingConfig(4, 1024)
  plan = _plan(views, packing, seed=3, framing=_LONG_FRAMING)
  assert _digest(plan) == '9023c1f0963b0002'


def test_batch_does_not_depend_on_the_batches_before(splits):
  walked = _plan(splits)
  for step in range(5):
    walked.batch(step)
  far = 3 * _steps(walked) + 3
  for step in (4, 0, far):
    assert _equal(walked.batch(step), _plan(splits).batch(step))
  assert not _equal(walked.batch(1), walked.batch(2))
  assert not _equal(_plan(splits, seed=1).batch(1), walked.batch(1))


def _steps(plan: BatchPlan) -> int:
  """Returns the steps of the first window."""
  return plan.windows.find(0)[0].rows // plan.batch_rows


@given(st.data())
@settings(max_examples=25)
def test_window_has_every_draw_once_with_all_its_tokens(splits, data):
  packing = PackingConfig(
    batch_rows=data.draw(st.integers(1, 6)),
    pack_length=data.draw(st.integers(140, 500)),
    target_budget=data.draw(st.one_of(st.none(), st.integers(60, 200))),
    max_segments=data.draw(st.integers(2, 9)),
  )
  sampler = _small_sampler(splits, data.draw(st.integers(0, 99)))
  plan = BatchPlan(sampler, packing)
  window = data.draw(st.integers(0, 10**6))
  first = data.draw(st.integers(0, 10**8))
  plan.windows.start_at(WindowStart(window, first))
  draws = sampler.draws(window)
  wanted = []
  for split, rendering in zip(draws.split, draws.rendering, strict=True):
    prompt, target = splits[split].spans(splits[split].renderings[rendering])
    cut = bool(splits[split].renderings[rendering]['targets_cut'])
    sequence = [*_FRAMING.prompt(prompt), *_FRAMING.target(target, cut)]
    wanted.append((tuple(map(int, sequence)), len(target) + (not cut)))
  found = []
  rows = plan.windows.find(first)[0].rows
  assert rows % packing.batch_rows == 0
  for step in range(first, first + rows // packing.batch_rows):
    batch = plan.batch(step)
    assert batch['tokens'].shape == (packing.batch_rows, packing.pack_length)
    for row in range(packing.batch_rows):
      found += _sequences({name: array[row] for name, array in batch.items()})
  assert sorted(found) == sorted(wanted)


def _sequences(row):
  """Yields each sequence of a row, and its number of predicted tokens."""
  weights = row['target_weights'].astype(bool)
  sources = row['target_positions'][weights]
  labels = row['target_labels'][weights]
  segments = row['segments']
  for segment in range(1, segments.max() + 1):
    places = np.flatnonzero(segments == segment)
    assert np.array_equal(row['positions'][places], np.arange(len(places)))
    mine = np.isin(sources, places)
    # A label is the token after the place that predicts it.
    sequence = [*row['tokens'][places].tolist(), int(labels[mine][-1])]
    assert labels[mine].tolist() == sequence[-mine.sum() :]
    assert sources[mine].tolist() == places[-mine.sum() :].tolist()
    yield tuple(sequence), int(mine.sum())


class _Mesh:
  """Assigns rows to the devices of several processes."""

  def __init__(self, processes: int, groups: int, order):
    """Rows over `groups` of 8 devices, process by process or in an order."""
    devices = [SimpleNamespace(process_index=i * processes // 8) for i in order]
    self._groups = np.array(devices).reshape(groups, -1)

  def devices_indices_map(self, shape):
    each = shape[0] // len(self._groups)
    return {
      _Hashable(device): (slice(i * each, (i + 1) * each),)
      for i, group in enumerate(self._groups)
      for device in group
    }


class _Hashable:
  def __init__(self, device):
    self.process_index = device.process_index


@pytest.mark.slow
@given(st.data())
@settings(max_examples=15)
def test_processes_assemble_the_rows_of_one_batch(splits, data):
  rows = data.draw(st.sampled_from([8, 16]))
  packing = dataclasses.replace(_PACKING, batch_rows=rows)
  step = data.draw(st.integers(0, 200))
  whole = BatchPlan(_small_sampler(splits, 0), packing).batch(step)
  processes = data.draw(st.sampled_from([1, 2, 4]))
  groups = data.draw(st.sampled_from([1, 2, 4, 8]))
  order = data.draw(st.one_of(st.just(range(8)), st.permutations(range(8))))
  mesh = _Mesh(processes, groups, order)
  seen = set()
  for process in range(processes):
    mine = local_rows(mesh, rows, process)
    # Each process has its own plan.
    part = BatchPlan(_small_sampler(splits, 0), packing).batch(step, mine)
    for name, array in whole.items():
      assert np.array_equal(part[name], array[mine]), name
    for device, (index,) in mesh.devices_indices_map((rows,)).items():
      if device.process_index == process:
        assert set(range(*index.indices(rows))) <= set(mine.tolist())
    seen |= set(mine.tolist())
    if order == range(8):
      # No more than its share if its devices are neighbours.
      assert len(mine) == max(rows // processes, rows // groups)
  assert seen == set(range(rows))


def test_processes_that_share_some_rows_assemble_all():
  # Two devices a process; one of them has rows of another process.
  mesh = _Mesh(4, 4, [0, 7, 1, 2, 3, 4, 5, 6])
  assert local_rows(mesh, 8, 2).tolist() == list(range(8))
  # Rows that are not neighbours, but not shared.
  mesh = _Mesh(2, 8, [0, 4, 1, 5, 2, 6, 3, 7])
  assert local_rows(mesh, 8, 1).tolist() == [1, 3, 5, 7]


def test_data_order_digest_covers_what_decides_a_batch(splits):
  data_order_digest = _plan(splits).data_order_digest
  assert data_order_digest == _plan(splits).data_order_digest
  others = [
    _plan(splits, seed=1),
    _plan(splits[:2]),
    _plan(splits, dataclasses.replace(_PACKING, batch_rows=4)),
    _plan(splits, dataclasses.replace(_PACKING, target_budget=300)),
    _plan(splits, framing=dataclasses.replace(_FRAMING, separator=(5,))),
  ]
  assert (
    len({data_order_digest, *(other.data_order_digest for other in others)})
    == 6
  )


def test_example_too_long_for_a_row_names_the_settings(splits):
  with pytest.raises(PackingError, match='PACK_LENGTH is 60'):
    _plan(splits, dataclasses.replace(_PACKING, pack_length=60))
  with pytest.raises(PackingError, match='TARGET_BUDGET 2'):
    _plan(splits, dataclasses.replace(_PACKING, target_budget=2))


@pytest.mark.parametrize(
  'shape',
  [
    {'data': 8},
    {'data': 2, 'model': 4},
    {'data': 2, 'fsdp': 2, 'model': 2},
    {'data': 1, 'fsdp': 4, 'model': 2},
    {'data': 1, 'model': 8},
  ],
)
def test_global_arrays_hold_the_same_batch(splits, shape):
  plan = _plan(splits)
  mesh = make_mesh(MeshConfig(**shape))
  sharding = batch_sharding(mesh)
  batch = global_batch(plan, 2, sharding)
  wanted = plan.batch(2)
  assert set(batch) == set(wanted)
  for name, array in batch.items():
    assert array.shape == wanted[name].shape
    assert array.sharding == sharding
    assert array.dtype == wanted[name].dtype
    for shard in array.addressable_shards:
      assert np.array_equal(np.asarray(shard.data), wanted[name][shard.index])


def test_abstract_batch_reads_no_batch(splits):
  plan = _plan(splits)
  sharding = batch_sharding(make_mesh(MeshConfig(data=4, fsdp=2)))
  with mock.patch.object(plan, 'batch', side_effect=AssertionError):
    abstract = abstract_batch(plan, sharding)
  batch = global_batch(plan, 0, sharding)
  assert set(abstract) == set(batch)
  for name, array in batch.items():
    assert abstract[name].shape == array.shape
    assert abstract[name].dtype == array.dtype
    assert abstract[name].sharding == array.sharding


def test_loader_starts_at_any_step(splits):
  plan = _plan(splits)
  mesh = make_mesh(MeshConfig(), jax.devices()[:1])
  # Across the end of a window.
  first = _steps(plan) - 2
  loader = Loader(plan, first, batch_sharding(mesh))
  for step, batch in zip(range(first, first + 5), loader, strict=False):
    host = jax.device_get(batch)
    assert _equal(host, _plan(splits).batch(step))
  loader.close()


@pytest.mark.parametrize(
  'broken',
  ['flan_jax.batches.window.pack_rows', 'flan_jax.batches.loader.assemble'],
)
def test_error_in_a_thread_reaches_the_consumer_with_its_traceback(
  splits, broken
):
  plan = _plan(splits)
  mesh = make_mesh(MeshConfig(), jax.devices()[:1])
  with mock.patch(broken, side_effect=_fail):
    loader = Loader(plan, 0, batch_sharding(mesh))
    with pytest.raises(RuntimeError, match='broken') as caught:
      next(iter(loader))
    loader.close()
  assert '_fail' in [entry.name for entry in caught.traceback]


def _fail(*args):
  raise RuntimeError('broken')


def test_resumed_plan_plans_one_window(splits):
  walked = _plan(splits)
  step = 2 * _steps(walked) + 5
  wanted = [walked.batch(step + i) for i in range(3)]
  start = walked.windows.start_before(step)
  assert start.window == 2 and 0 < start.step <= step
  resumed = _plan(splits)
  resumed.windows.start_at(start)
  planned = []
  draws = resumed.sampler.draws

  def noticed(window):
    planned.append(window)
    return draws(window)

  # Of this plan alone: the other one may still be planning ahead.
  with mock.patch.object(resumed.sampler, 'draws', noticed):
    for i, batch in enumerate(wanted):
      assert _equal(resumed.batch(step + i), batch)
    resumed.batch(0)
  assert planned[0] == 2 and set(planned[:2]) <= {2, 3}
  # Earlier steps are still found.
  assert _equal(resumed.batch(1), walked.batch(1))
