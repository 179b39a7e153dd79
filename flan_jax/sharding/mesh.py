"""The mesh of devices."""

from collections.abc import Sequence
import dataclasses
import math
from typing import Annotated

import jax
from jax.experimental import mesh_utils

from flan_jax.errors import ConfigError
from flan_jax.setting_types import Only, check_fields

AXES = ('data', 'fsdp', 'model')

_Axis = Annotated[
  int,
  Only(
    'an integer of at least 1, or -1 for all remaining devices',
    lambda size: size == -1 or 1 <= size < 2**31,
  ),
]


@dataclasses.dataclass(frozen=True)
class MeshConfig:
  """Devices along each axis of the mesh; -1 on one axis means the rest."""

  data: _Axis = -1  # Copies of the model; each reads its own rows.
  # Devices that read rows of their own and share the storage of parameters,
  # optimizer state and gradients.
  fsdp: _Axis = 1
  # Devices that work on the same rows and divide heads, feed-forward layer and
  # vocabulary.
  model: _Axis = 1

  def __post_init__(self):
    check_fields(self)
    if dataclasses.astuple(self).count(-1) > 1:
      raise ConfigError(f'At most one axis of {self} may be -1.')

  def shape(self, device_count: int) -> tuple[int, int, int]:
    """Returns the sizes of the axes for a number of devices.

    Raises:
      ConfigError: The product of the axes is not the number of devices.
    """
    sizes = dataclasses.astuple(self)
    known = math.prod(size for size in sizes if size != -1)
    if device_count % known or (-1 not in sizes and known != device_count):
      named = zip(AXES, sizes, strict=True)
      wanted = ' times '.join(f'{axis}={size}' for axis, size in named)
      relation = 'a multiple of ' if -1 in sizes else ''
      raise ConfigError(
        f'A mesh of {wanted} does not fit {device_count} devices: '
        f'{device_count} is not {relation}{known}.'
      )
    return tuple(device_count // known if s == -1 else s for s in sizes)


def make_mesh(
  config: MeshConfig, devices: Sequence[jax.Device] | None = None
) -> jax.sharding.Mesh:
  """Arranges devices (default: all) so that neighbours are along `model`.

  Only `data` crosses TPU slices, between which the network is slow.

  Raises:
    ConfigError: The product of the axes is not the number of devices, or `data`
      is not a multiple of the number of slices.
  """
  devices = jax.devices() if devices is None else list(devices)
  shape = config.shape(len(devices))
  # Devices other than TPUs count as one slice.
  slices = 1
  if devices[0].platform == 'tpu':
    slices = len({getattr(device, 'slice_index', 0) for device in devices})
  if shape[0] % slices:
    raise ConfigError(
      f'Mesh axis data={shape[0]} is not a multiple of the number of slices: '
      f'set MESH_DATA to a multiple of {slices}.'
    )
  if slices > 1:
    laid_out = mesh_utils.create_hybrid_device_mesh(
      (shape[0] // slices, *shape[1:]),
      (slices, 1, 1),
      devices,
      allow_split_physical_axes=True,
    )
  else:
    laid_out = mesh_utils.create_device_mesh(
      shape, devices, allow_split_physical_axes=True
    )
  types = (jax.sharding.AxisType.Auto,) * len(AXES)
  return jax.sharding.Mesh(laid_out, AXES, axis_types=types)


def batch_shards(mesh: jax.sharding.Mesh) -> int:
  """Returns into how many parts the mesh divides the rows of a batch."""
  return mesh.shape['data'] * mesh.shape['fsdp']


def check_batch(
  batch_rows: int, mesh: jax.sharding.Mesh, microbatches: int = 1
) -> None:
  """Checks that the mesh divides the rows of a batch and its microbatches.

  Raises:
    ConfigError: It does not.
  """
  if batch_rows < 1 or batch_rows % (batch_shards(mesh) * microbatches):
    raise ConfigError(
      f'BATCH_ROWS={batch_rows} is not a multiple of data * fsdp = '
      f'{mesh.shape["data"]} * {mesh.shape["fsdp"]} of the mesh '
      f'{dict(mesh.shape)}, times MICROBATCHES={microbatches}.'
    )
