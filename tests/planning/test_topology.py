"""Names of hardware."""

import jax
import pytest

from flan_jax.errors import ConfigError
from flan_jax.planning.topology import (
  Topology,
  devices_of,
  environment,
)


@pytest.mark.parametrize(
  'name, chips, devices',
  [
    ('v3:8x8', 64, 128),  # two devices per chip
    ('v4:4x4x4', 64, 64),
    ('2*v5e:4x4', 32, 32),
    ('h100:8', 8, 8),
    ('cpu:4', 4, 4),
  ],
)
def test_chips_and_devices(name, chips, devices):
  topology = Topology.parse(name)
  assert (topology.chips, topology.devices) == (chips, devices)
  assert topology.is_tpu == ('v' in name)


@pytest.mark.parametrize(
  'name, message',
  [
    ('v4-128', 'not of the form .* v5p:4x4x4'),
    ('v5x:4x4', 'nearest: v5'),
    ('v5e:4x4x4', 'has 3 dimensions, but slices of v5e have 2'),
    ('v5e:0x4', 'has no chips'),
    ('0*v5e:4x4', 'has no chips'),
  ],
)
def test_invalid_names_are_errors(name, message):
  with pytest.raises(ConfigError, match=message):
    Topology.parse(name)


def test_the_cpu_simulates_devices():
  devices = devices_of(Topology.parse('v4:2x2x1'), simulated=True)
  assert devices == jax.devices()[:4]


def test_only_tpus_compile_without_the_hardware():
  with pytest.raises(ConfigError, match='can only be simulated'):
    devices_of(Topology.parse('h100:8'), simulated=False)


def test_the_environment_replaces_the_number_of_devices():
  flag = '--xla_force_host_platform_device_count'
  made = environment(
    {'XLA_FLAGS': f'{flag}=8 --xla_other=1', 'JAX_PLATFORMS': 'tpu'}, 64
  )
  assert made['XLA_FLAGS'] == f'--xla_other=1 {flag}=64'
  assert made['JAX_PLATFORMS'] == 'cpu'
