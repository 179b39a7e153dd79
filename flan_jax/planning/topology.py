"""Names of hardware, and devices to compile for without that hardware.

`v4:4x4x4` is a slice of TPU v4 chips, `2*v5e:4x4` two slices of TPU v5e,
`h100:8` eight GPUs, `cpu:1` a CPU.
"""

from collections.abc import Mapping
import dataclasses
import importlib.util
import math
import re
from typing import Any

import jax

from flan_jax.errors import ConfigError
from flan_jax.planning import chips

_PATTERN = re.compile(r'(?:(\d+)\*)?([a-z0-9\-]+):(\d+(?:x\d+)*)', re.ASCII)
# More than any machine that is known; more would take the memory of this one.
_MOST_CHIPS, _MOST_DIGITS = 1 << 16, 6
_CPU = 'cpu'
_DEVICE_COUNT = 'xla_force_host_platform_device_count'
# TPUs whose slices have three dimensions; all others have two.
_CUBES = ('v4', 'v5p', 'tpu7x')
# By default, libtpu describes the two cores of a v4 as two devices.
_CHIP_CONFIGS = {'v4': {'chip_config_name': 'megacore'}}


@dataclasses.dataclass(frozen=True)
class Topology:
  """Chips and their arrangement."""

  name: str  # As written.
  chip: chips.Chip | None  # Kind of chip; None for a CPU.
  shape: tuple[int, ...]  # Chips along each axis of a slice.
  slices: int = 1  # The network is fast only within a slice.

  @classmethod
  def parse(cls, name: str) -> 'Topology':
    """Parses a name.

    >>> parsed = Topology.parse('2*v5e:4x8')
    >>> parsed.chip.name, parsed.shape, parsed.slices, parsed.devices
    ('v5e', (4, 8), 2, 64)

    Raises:
      ConfigError: The name is malformed or names an unknown chip.
    """
    match = _PATTERN.fullmatch(name)
    if match is None:
      raise ConfigError(
        f'topology {name!r} is not of the form CHIP:AxB, such as v5p:4x4x4, '
        '2*v5e:4x4 (two slices) or h100:8'
      )
    slices, kind, shape = match.groups()
    if max(map(len, re.findall(r'\d+', name))) > _MOST_DIGITS:
      raise ConfigError(f'topology {name[:80]!r} has an absurd number of chips')
    chip = None if kind == _CPU else chips.chip_named(kind)
    sizes = tuple(map(int, shape.split('x')))
    if min(sizes) < 1 or slices == '0':
      raise ConfigError(f'topology {name!r} has no chips')
    topology = cls(name, chip, sizes, int(slices or 1))
    if topology.chips > _MOST_CHIPS:
      raise ConfigError(
        f'topology {name!r} has {topology.chips:,} chips; at most '
        f'{_MOST_CHIPS:,} can be planned for'
      )
    dimensions = 3 if kind in _CUBES else 2
    if topology.is_tpu and len(sizes) > dimensions:
      raise ConfigError(
        f'topology {name!r} has {len(sizes)} dimensions, but slices of {kind} '
        f'have {dimensions}'
      )
    return topology

  @property
  def chips(self) -> int:
    return self.slices * math.prod(self.shape)

  @property
  def devices(self) -> int:
    """Devices as JAX counts them: two per chip for some TPUs."""
    return self.chips * (1 if self.chip is None else self.chip.devices)

  @property
  def is_tpu(self) -> bool:
    return self.chip is not None and self.chip.is_tpu


def has_libtpu() -> bool:
  """Returns whether the TPU compiler is installed."""
  return importlib.util.find_spec('libtpu') is not None


def environment(
  inherited: Mapping[str, str], simulated_devices: int
) -> dict[str, str]:
  """Returns the environment for a process that compiles without the devices.

  JAX reads it once, so it cannot change in a process that has used JAX. Without
  simulation, the number of simulated devices is 1.
  """
  flags = inherited.get('XLA_FLAGS', '').split()
  flags = [flag for flag in flags if _DEVICE_COUNT not in flag]
  flags.append(f'--{_DEVICE_COUNT}={simulated_devices}')
  return {
    **inherited,
    'XLA_FLAGS': ' '.join(flags),
    'JAX_PLATFORMS': 'cpu',
    # Keep libtpu from looking for a TPU and locking it.
    'TPU_SKIP_MDS_QUERY': '1',
    'TPU_WORKER_HOSTNAMES': 'localhost',
    'ALLOW_MULTIPLE_LIBTPU_LOAD': '1',
    'TF_CPP_MIN_LOG_LEVEL': '2',
  }


def devices_of(topology: Topology, simulated: bool) -> list[Any]:
  """Returns devices to compile for; the CPU may simulate them.

  Raises:
    ConfigError: There is no such slice, or no compiler for it.
  """
  if simulated:
    return jax.devices('cpu')[: topology.devices]
  if not topology.is_tpu:
    raise ConfigError(
      f'{topology.name} can only be simulated: TPUs alone can be compiled for '
      'without the hardware'
    )
  from jax.experimental import topologies

  options = dict(_CHIP_CONFIGS.get(topology.chip.name, {}))
  if topology.slices > 1:
    options['num_slices'] = topology.slices
  name = f'{topology.chip.name}:{"x".join(map(str, topology.shape))}'
  try:
    description = topologies.get_topology_desc(name, 'tpu', **options)
  except Exception as error:  # libtpu raises errors of several types.
    reason = str(error).partition('\n')[0]
    raise ConfigError(
      f'libtpu has no topology {topology.name}: {reason}'
    ) from error
  return list(description.devices)
