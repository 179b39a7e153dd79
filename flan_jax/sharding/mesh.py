"""The mesh of devices."""

from collections.abc import Sequence
import dataclasses
import math

import jax
from jax.experimental import mesh_utils

AXES = ('data', 'fsdp', 'model')


@dataclasses.dataclass(frozen=True)
class MeshConfig:
  """How many devices lie along each axis of the mesh; one may be -1: the rest.

  Attributes:
    data: Copies of the model; each reads its own rows.
    fsdp: Devices that read rows of their own and share the storage of the
      parameters, optimizer state and gradients.
    model: Devices that split heads, feed-forward layer and vocabulary, and
      work on the same rows.
  """

  data: int = -1
  fsdp: int = 1
  model: int = 1

  def __post_init__(self):
    sizes = dataclasses.astuple(self)
    if sizes.count(-1) > 1:
      raise ValueError(f'At most one axis of {self} may be -1.')
    for axis, size in zip(AXES, sizes, strict=True):
      if not isinstance(size, int) or (size < 1 and size != -1):
        raise ValueError(
          f'Mesh axis {axis} must be a positive integer or -1, not {size!r}.'
        )

  def shape(self, device_count: int) -> tuple[int, int, int]:
    """Sizes of the axes on so many devices.

    Raises:
      ValueError: The axes do not multiply to the number of devices.
    """
    sizes = dataclasses.astuple(self)
    known = math.prod(size for size in sizes if size != -1)
    if device_count % known or (-1 not in sizes and known != device_count):
      wanted = 'times'.join(
        f' {axis}={size} ' for axis, size in zip(AXES, sizes, strict=True)
      )
      raise ValueError(
        f'A mesh of{wanted}does not fit {device_count} devices: '
        f'{device_count} is not '
        + ('a multiple of ' if -1 in sizes else '')
        + f'{known}.'
      )
    return tuple(device_count // known if s == -1 else s for s in sizes)


def make_mesh(
  config: MeshConfig, devices: Sequence[jax.Device] | None = None
) -> jax.sharding.Mesh:
  """Lays devices (by default all there are) out with neighbours along `model`.

  Slices of TPUs, between which the network is slow, are divided by `data` only.

  Raises:
    ValueError: The axes do not multiply to the number of devices, or `data` is
      not a multiple of the number of slices.
  """
  devices = jax.devices() if devices is None else list(devices)
  shape = config.shape(len(devices))
  slices = _slice_count(devices)
  if shape[0] % slices:
    raise ValueError(
      f'Mesh axis data={shape[0]} is not a multiple of the {slices} slices '
      'that the devices lie in, and nothing else may cross slices: set '
      f'MESH_DATA to a multiple of {slices}.'
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


def _slice_count(devices):
  """In how many slices TPUs lie; other devices count as one."""
  if devices[0].platform != 'tpu':
    return 1
  return len({getattr(device, 'slice_index', 0) for device in devices})


def batch_shards(mesh: jax.sharding.Mesh) -> int:
  """Into how many parts the mesh divides the rows of a batch."""
  return mesh.shape['data'] * mesh.shape['fsdp']


def check_batch(batch_rows: int, mesh: jax.sharding.Mesh) -> None:
  """Raises ValueError unless the mesh divides the rows of a batch."""
  if batch_rows < 1 or batch_rows % batch_shards(mesh):
    raise ValueError(
      f'BATCH_ROWS={batch_rows} is not a multiple of data * fsdp = '
      f'{mesh.shape["data"]} * {mesh.shape["fsdp"]} of the mesh '
      f'{dict(mesh.shape)}.'
    )
