"""Seconds and costs, compared with a calculation by hand."""

import dataclasses

import jax
import pytest

from flan_jax.planning import chips
from flan_jax.planning.collectives import Collective
from flan_jax.planning.estimate import (
  ASSUMED,
  BETWEEN_SLICES,
  StepWork,
  estimate_run,
  estimate_step,
)
from flan_jax.planning.topology import Topology

_CHIP = chips.Chip(
  name='v0',
  devices=2,
  bf16_flops=200e12,
  f32_flops=None,
  tf32_flops=None,
  memory_bytes=2**34,
  memory_bandwidth=1e12,
  interconnect_bandwidth=200e9,
  mean_watts=100.0,
  max_watts=None,
  dollars_per_hour=3.0,
)
_TOPOLOGY = Topology('v0:4', _CHIP, (4,))
_WORK = StepWork(
  flops=6e14,
  recomputed=2e14,
  traffic=5 * 10**10,
  collectives=[Collective('all-gather', 10, 1e9, (0, 1))],
  tokens=8000,
)
_DEVICES = jax.devices()


def _step(work=_WORK, dtype='bfloat16', topology=_TOPOLOGY, devices=_DEVICES):
  return estimate_step(work, topology, dtype, devices)


def test_seconds_are_work_over_attained_rates_of_a_device():
  step = _step()
  # 8 devices: 1e14 operations each at 1e14 a second.
  assert step['compute_s'] == pytest.approx(1 / ASSUMED['compute'])
  assert step['memory_s'] == pytest.approx(0.1 / ASSUMED['memory'])
  assert step['interconnect_s'] == pytest.approx(0.1 / ASSUMED['interconnect'])
  assert step['bound'] == 'compute'
  assert step['overlapped_s'] == step['compute_s']
  assert step['serial_s'] == pytest.approx(
    step['compute_s'] + step['memory_s'] + step['interconnect_s']
  )


def test_recomputation_counts_as_time_but_not_as_use():
  step = _step()
  low, high = step['mfu']
  assert high == pytest.approx(ASSUMED['compute'] * 6 / 8)
  assert low < high
  assert step['tokens_per_second'][1] == pytest.approx(
    8000 / step['overlapped_s']
  )


def test_unknown_traffic_is_left_out():
  step = _step(dataclasses.replace(_WORK, traffic=None))
  assert step['memory_s'] is None
  assert step['serial_s'] == step['compute_s'] + step['interconnect_s']


def test_the_network_between_slices_is_slow():
  @dataclasses.dataclass
  class Device:
    slice_index: int
    coords: tuple[int, ...] = (0, 0, 0)

  devices = [Device(0), Device(1)] * 4
  step = _step(devices=devices)
  assert step['interconnect_s'] == pytest.approx(10e9 / (BETWEEN_SLICES / 2))
  assert step['bound'] == 'interconnect'
  # Cores of one chip need no network.
  assert _step(devices=[Device(0)] * 8)['interconnect_s'] == 0


def test_no_estimate_without_a_published_rate():
  assert _step(dtype='float32') is None
  assert _step(topology=Topology('cpu:1', None, (1,))) is None


def test_a_run_is_billed_by_chips_not_devices():
  run = estimate_run(
    {'overlapped_s': 3.6, 'serial_s': 7.2}, _TOPOLOGY, steps=1000
  )
  assert run == {
    'steps': 1000,
    'hours': [1, 2],
    'chip_hours': [4, 8],
    'kwh': pytest.approx([0.4, 0.8]),
    'dollars': [12, 24],
  }


def test_unpublished_figures_stay_unknown():
  chip = dataclasses.replace(_CHIP, mean_watts=None, dollars_per_hour=None)
  topology = dataclasses.replace(_TOPOLOGY, chip=chip)
  run = estimate_run({'overlapped_s': 1, 'serial_s': 1}, topology, 3600)
  assert run['kwh'] is None and run['dollars'] is None
