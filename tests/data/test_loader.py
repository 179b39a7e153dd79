"""Batch s is a pure function of the contract, whatever came before it."""

import dataclasses

import jax
import numpy as np
import pytest

from flan_jax.data import registry
from flan_jax.data.cache import CacheConfig, Framing, UnitKey
from flan_jax.data.cache_writer import make_units
from flan_jax.data.loader import BatchPlan, Loader, PackingConfig, global_batch
from flan_jax.data.packing import PackingError
from flan_jax.data.sampler import Sampler
from flan_jax.data.vocabulary import load_vocabulary
from flan_jax.sharding import MeshConfig, batch_sharding, make_mesh

registry.load()

_PACKING = PackingConfig(batch_rows=8, pack_length=400, headroom=1.1)


@pytest.fixture(scope='module')
def units(mini_data, tmp_path_factory):
  config = CacheConfig(str(tmp_path_factory.mktemp('cache')), mini_data)
  keys = [UnitKey(name, 'train') for name in ('rte', 'sst2', 'cb')]
  return make_units(
    keys, config, load_vocabulary('mini'), log=lambda line: None
  )


_FRAMING = Framing(start=(), separator=(1,), end=(1,), between=(1,))


def _plan(units, packing=_PACKING, seed=0) -> BatchPlan:
  return BatchPlan(Sampler(units, _FRAMING, seed), packing)


def _equal(a, b) -> bool:
  return all(np.array_equal(a[name], b[name]) for name in a)


def test_a_batch_does_not_depend_on_what_came_before(units):
  walked = _plan(units)
  for step in range(5):
    walked.batch(step)
  far = 12 * walked.steps_per_window + 3
  for step in (4, 0, far):
    assert _equal(walked.batch(step), _plan(units).batch(step))
  assert not _equal(walked.batch(1), walked.batch(2))
  assert not _equal(_plan(units, seed=1).batch(1), walked.batch(1))


def test_rows_of_a_batch_can_be_built_apart(units):
  plan = _plan(units)
  whole = plan.batch(3)
  for rows in (slice(0, 2), slice(5, 8)):
    part = plan.batch(3, rows)
    assert all(np.array_equal(part[name], whole[name][rows]) for name in part)


def test_a_window_holds_every_draw_once(units):
  plan = _plan(units)
  sampler = Sampler(units, _FRAMING, 0)
  draws = sampler.draws(1)
  wanted = []
  for unit, record in zip(draws.unit, draws.record, strict=True):
    prompt, target = units[unit].pieces(units[unit].records[record])
    cut = bool(units[unit].records[record]['targets_cut'])
    sequence = [*_FRAMING.prompt(prompt), *_FRAMING.target(target, cut)]
    wanted.append(tuple(int(token) for token in sequence))
  found = []
  for step in range(plan.steps_per_window):
    batch = plan.batch(plan.steps_per_window + step)
    for row in range(8):
      found += _sequences(batch, row)
  assert sorted(found) == sorted(wanted)


def _sequences(batch, row: int):
  """Yields the whole sequences of a row, last tokens from the labels."""
  weights = batch['target_weights'][row].astype(bool)
  positions = batch['target_positions'][row][weights]
  labels = batch['target_labels'][row][weights]
  segments = batch['segments'][row]
  for segment in range(1, segments.max() + 1):
    places = np.flatnonzero(segments == segment)
    assert batch['positions'][row][places].tolist() == list(range(len(places)))
    tokens = batch['tokens'][row][places].tolist()
    mine = np.isin(positions, places)
    # A label is the token after the place that predicts it.
    for place, label in zip(positions[mine], labels[mine], strict=True):
      if place != places[-1]:
        assert batch['tokens'][row][place + 1] == label
    yield (*tokens, int(labels[mine][-1]))


def test_the_contract_names_what_decides_a_batch(units):
  contract = _plan(units).contract
  assert contract == _plan(units).contract
  others = [
    _plan(units, seed=1),
    _plan(units[:2]),
    _plan(units, dataclasses.replace(_PACKING, batch_rows=4)),
    _plan(units, dataclasses.replace(_PACKING, target_budget=300)),
    BatchPlan(
      Sampler(units, dataclasses.replace(_FRAMING, separator=(5,)), 0), _PACKING
    ),
  ]
  assert len({contract, *(other.contract for other in others)}) == 6


def test_missing_room_names_the_setting_and_its_value(units):
  tight = _plan(units, dataclasses.replace(_PACKING, headroom=1.0))
  with pytest.raises(PackingError, match=r'PACK_HEADROOM 1.0 .* raise it to'):
    tight.batch(0)
  with pytest.raises(PackingError, match='PACK_LENGTH is 60'):
    _plan(units, dataclasses.replace(_PACKING, pack_length=60))
  with pytest.raises(PackingError, match='TARGET_BUDGET 2'):
    _plan(units, dataclasses.replace(_PACKING, target_budget=2))


@pytest.mark.parametrize('shape', [{'data': 8}, {'data': 2, 'model': 4}])
def test_arrays_over_a_mesh_hold_the_same_batch(units, shape):
  plan = _plan(units)
  mesh = make_mesh(MeshConfig(**shape))
  batch = global_batch(plan, 2, batch_sharding(mesh))
  wanted = plan.batch(2)
  assert set(batch) == set(wanted)
  for name, array in batch.items():
    assert array.shape == wanted[name].shape
    assert np.array_equal(np.asarray(array), wanted[name])


def test_the_loader_goes_on_from_any_step_and_stops(units):
  plan = _plan(units)
  mesh = make_mesh(MeshConfig(), jax.devices()[:1])
  loader = Loader(plan, 7, batch_sharding(mesh))
  for step, batch in zip(range(7, 10), loader, strict=False):
    host = jax.device_get(batch)
    assert _equal(host, plan.batch(step))
  loader.close()


def test_the_loader_hands_its_errors_on(units):
  plan = _plan(units, dataclasses.replace(_PACKING, headroom=1.0))
  mesh = make_mesh(MeshConfig(), jax.devices()[:1])
  loader = Loader(plan, 0, batch_sharding(mesh))
  with pytest.raises(PackingError):
    next(iter(loader))
  loader.close()
