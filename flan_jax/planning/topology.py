"""Names of hardware, and devices to compile for where there are none.

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

from flan_jax.errors import UserError
from flan_jax.planning import chips

_PATTERN = re.compile(r'(?:(\d+)\*)?([a-z0-9\-]+):(\d+(?:x\d+)*)')
_CPU = 'cpu'
_DEVICE_COUNT = 'xla_force_host_platform_device_count'
# TPUs whose slices have three dimensions; those of others have two.
_CUBES = ('v4', 'v5p', 'tpu7x')
# How the two cores of these chips become one device, as JAX sets them up.
_CHIP_CONFIGS = {'v4': {'chip_config_name': 'megacore'}}


class TopologyError(UserError):
  """A topology that cannot be; says what one looks like."""


@dataclasses.dataclass(frozen=True)
class Topology:
  """Chips, and how they are connected.

  Attributes:
    name: As written.
    chip: What they are; None for a CPU.
    shape: Chips along each axis of a slice.
    slices: Slices of this shape; within one the network is fast.
  """

  name: str
  chip: chips.Chip | None
  shape: tuple[int, ...]
  slices: int = 1

  @classmethod
  def parse(cls, name: str) -> 'Topology':
    """Reads a name.

    >>> parsed = Topology.parse('2*v5e:4x8')
    >>> parsed.chip.name, parsed.shape, parsed.slices, parsed.devices
    ('v5e', (4, 8), 2, 64)

    Raises:
      TopologyError: not a name of a topology, or of no known chip.
    """
    match = _PATTERN.fullmatch(name)
    if match is None:
      raise TopologyError(
        f'topology {name!r} is not of the form CHIP:AxB, as v5p:4x4x4, '
        '2*v5e:4x4 (two slices) or h100:8'
      )
    slices, kind, shape = match.groups()
    try:
      chip = None if kind == _CPU else chips.chip_named(kind)
    except ValueError as error:
      raise TopologyError(f'topology {name!r}: {error}') from error
    sizes = tuple(map(int, shape.split('x')))
    if min(sizes) < 1 or slices == '0':
      raise TopologyError(f'topology {name!r} has no chips')
    topology = cls(name, chip, sizes, int(slices or 1))
    if topology.is_tpu and len(sizes) > (3 if kind in _CUBES else 2):
      raise TopologyError(
        f'topology {name!r} has {len(sizes)} dimensions, slices of {kind} have '
        f'{3 if kind in _CUBES else 2}'
      )
    return topology

  @property
  def chips(self) -> int:
    return self.slices * math.prod(self.shape)

  @property
  def devices(self) -> int:
    """Devices as JAX counts them: two a chip for some TPUs."""
    return self.chips * (1 if self.chip is None else self.chip.devices)

  @property
  def is_tpu(self) -> bool:
    return self.chip is not None and self.chip.kinds[0].startswith('TPU')


def has_libtpu() -> bool:
  """Whether the compiler for TPUs is installed."""
  return importlib.util.find_spec('libtpu') is not None


def environment(
  inherited: Mapping[str, str], simulated_devices: int
) -> dict[str, str]:
  """The environment of a process that compiles for devices it lacks.

  JAX reads it once, so it cannot be changed in a process that has used JAX.

  Args:
    inherited: Of this process.
    simulated_devices: Devices that the CPU plays; 1 where none are simulated.
  """
  flags = [
    flag
    for flag in inherited.get('XLA_FLAGS', '').split()
    if _DEVICE_COUNT not in flag
  ]
  flags.append(f'--{_DEVICE_COUNT}={simulated_devices}')
  return {
    **inherited,
    'XLA_FLAGS': ' '.join(flags),
    'JAX_PLATFORMS': 'cpu',
    # libtpu would look for a TPU, ask the cloud about it, and lock it.
    'TPU_SKIP_MDS_QUERY': '1',
    'TPU_WORKER_HOSTNAMES': 'localhost',
    'ALLOW_MULTIPLE_LIBTPU_LOAD': '1',
    'TF_CPP_MIN_LOG_LEVEL': '2',
  }


def devices_of(topology: Topology, simulated: bool) -> list[Any]:
  """Devices to compile for.

  Args:
    topology: What is wanted.
    simulated: Whether the CPU plays them; see `environment`.

  Raises:
    TopologyError: there is no such slice, or no compiler for it.
  """
  if simulated:
    return jax.devices('cpu')[: topology.devices]
  if not topology.is_tpu:
    raise TopologyError(
      f'{topology.name} can only be simulated: only TPUs can be compiled for '
      'where there are none'
    )
  # Imports what only TPUs need.
  from jax.experimental import topologies

  options = dict(_CHIP_CONFIGS.get(topology.chip.name, {}))
  if topology.slices > 1:
    options['num_slices'] = topology.slices
  shape = 'x'.join(map(str, topology.shape))
  try:
    description = topologies.get_topology_desc(
      platform='tpu',
      topology_name=f'{topology.chip.name}:{shape}',
      **options,
    )
  except Exception as error:  # libtpu raises errors of several types.
    reason = str(error).partition('\n')[0]
    raise TopologyError(
      f'libtpu knows no slice {topology.name}: {reason}'
    ) from error
  return list(description.devices)
