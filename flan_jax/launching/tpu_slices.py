"""How Cloud TPU and GKE name slices of TPU chips.

The names are Google's. Each version has its page at
docs.cloud.google.com/tpu/docs/{v2,v3,v4,v5e,v5p,v6e,tpu7x}, runtime versions at
/tpu/docs/runtimes, and GKE's labels at cloud.google.com/kubernetes-engine/docs/
concepts/plan-tpus. Nothing here was run on Google Cloud: compare the names with
these pages before a first launch.
"""

import dataclasses
import math

from flan_jax.errors import ConfigError
from flan_jax.planning.topology import Topology

_CHIPS_PER_HOST = 4
# Slices of a v5e or v6e up to this size are one machine.
_ONE_HOST = {'v5e': 8, 'v6e': 8}
_BASE = 'tpu-ubuntu2204-base'


@dataclasses.dataclass(frozen=True)
class _Names:
  """What one kind of chip is called."""

  # Cloud TPU's type and software, None if only GKE has the chip.
  cloud_type: str | None
  runtime: str | None
  # GKE's label, None if GKE does not have the chip.
  gke: str | None
  # A type such as `v4-128` counts cores, of which a chip has two, or chips.
  cores: int
  # Whether a slice is asked for by its shape, or by the number in its type.
  by_shape: bool = False


_NAMES = {
  'v2': _Names('v2', _BASE, None, 2),
  'v3': _Names('v3', _BASE, None, 2),
  'v4': _Names('v4', _BASE, 'tpu-v4-podslice', 2, by_shape=True),
  'v5e': _Names('v5litepod', 'v2-alpha-tpuv5-lite', 'tpu-v5-lite-podslice', 1),
  'v5p': _Names('v5p', 'v2-alpha-tpuv5', 'tpu-v5p-slice', 2, by_shape=True),
  'v6e': _Names('v6e', 'v2-alpha-tpuv6e', 'tpu-v6e-slice', 1),
  'tpu7x': _Names(None, None, 'tpu7x', 2),
}


@dataclasses.dataclass(frozen=True)
class TpuSlices:
  """Slices of one shape, as the services name them.

  Attributes:
    topology: The hardware.
    hosts: Machines of one slice.
    chips_per_host: Chips of one machine.
  """

  topology: Topology
  hosts: int
  chips_per_host: int

  @classmethod
  def of(cls, topology: Topology) -> 'TpuSlices':
    """Divides the slices into machines.

    Raises:
      ConfigError: The hardware is not of TPUs, or no slice has this size.
    """
    if not topology.is_tpu:
      raise ConfigError(
        f'{topology.name} is not a TPU: name one, such as '
        '--hardware=v5e:4x4, or launch on slurm'
      )
    chips = math.prod(topology.shape)
    if chips <= _ONE_HOST.get(topology.chip.name, _CHIPS_PER_HOST):
      return cls(topology, 1, chips)
    if chips % _CHIPS_PER_HOST:
      raise ConfigError(
        f'{topology.name} cannot be divided into machines of '
        f'{_CHIPS_PER_HOST} chips'
      )
    return cls(topology, chips // _CHIPS_PER_HOST, _CHIPS_PER_HOST)

  @property
  def processes(self) -> int:
    return self.hosts * self.topology.slices

  @property
  def shape(self) -> str:
    """The shape of a slice, such as `4x4`; v4, v5p and tpu7x have three."""
    return 'x'.join(map(str, self.topology.shape))

  def cloud_flags(self) -> list[str]:
    """Returns gcloud's flags for the kind, size and software of a slice.

    >>> TpuSlices.of(Topology.parse('v5e:4x4')).cloud_flags()[0]
    '--accelerator-type=v5litepod-16'

    Raises:
      ConfigError: The chip is not offered as a Cloud TPU VM.
    """
    names = _NAMES[self.topology.chip.name]
    if names.cloud_type is None:
      raise ConfigError(
        f'{self.topology.chip.name} is not offered by queued resources: '
        'launch on gke'
      )
    size = math.prod(self.topology.shape) * names.cores
    kind = [f'--accelerator-type={names.cloud_type}-{size}']
    if names.by_shape:
      kind = [f'--type={names.cloud_type}', f'--topology={self.shape}']
    return [*kind, f'--runtime-version={names.runtime}']

  def gke_label(self) -> str:
    """Returns the value of the label cloud.google.com/gke-tpu-accelerator.

    Raises:
      ConfigError: GKE does not have the chip.
    """
    label = _NAMES[self.topology.chip.name].gke
    if label is None:
      raise ConfigError(
        f'{self.topology.chip.name} is not offered by GKE: launch on cloud_tpu'
      )
    return label
