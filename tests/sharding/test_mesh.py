import dataclasses
import itertools

import jax
from jax.sharding import AxisType
import numpy as np
import pytest

from flan_jax.errors import ConfigError
from flan_jax.sharding import MeshConfig, batch_shards, check_batch, make_mesh


def test_minus_one_takes_the_remaining_devices():
  mesh = make_mesh(MeshConfig(data=-1, fsdp=2, model=2))
  assert dict(mesh.shape) == {'data': 2, 'fsdp': 2, 'model': 2}
  assert mesh.axis_types == (AxisType.Auto,) * 3
  assert batch_shards(mesh) == 4


def test_uses_the_given_devices():
  devices = jax.devices()[2:4]
  mesh = make_mesh(MeshConfig(fsdp=2), devices)
  assert list(mesh.devices.flat) == devices


@dataclasses.dataclass(frozen=True)
class _Chip:
  """The attributes of a TPU that a mesh reads."""

  id: int
  slice_index: int
  coords: tuple[int, int, int]
  platform: str = 'tpu'
  device_kind: str = 'TPU v5 lite'
  core_on_chip: int = 0

  @property
  def process_index(self):
    return self.slice_index


def _two_slices():
  places = itertools.product(range(2), range(2), range(2))
  return [_Chip(n, s, (x, y, 0)) for n, (s, y, x) in enumerate(places)]


@pytest.mark.parametrize(
  'config',
  [
    MeshConfig(data=2, fsdp=2, model=2),
    MeshConfig(data=4, model=2),
    MeshConfig(data=8),
  ],
)
def test_only_data_crosses_slices(config, monkeypatch):
  # JAX makes no mesh of fake devices, but their layout can be checked.
  monkeypatch.setattr(jax.sharding, 'Mesh', lambda laid_out, *_, **__: laid_out)
  laid_out = make_mesh(config, _two_slices())
  assert laid_out.shape == config.shape(8)
  assert len({chip.id for chip in laid_out.flat}) == 8
  for half, number in zip(np.split(laid_out, 2), (0, 1), strict=True):
    assert {chip.slice_index for chip in half.flat} == {number}


@pytest.mark.parametrize(
  'config', [MeshConfig(fsdp=8), MeshConfig(fsdp=2, model=4)]
)
def test_data_must_be_a_multiple_of_the_slices(config):
  with pytest.raises(
    ConfigError, match='data=1 is not a multiple of the number'
  ):
    make_mesh(config, _two_slices())


@pytest.mark.parametrize(
  'config, message',
  [
    (MeshConfig(model=3), 'does not fit 8 devices: 8 is not a multiple of 3'),
    (MeshConfig(data=2, fsdp=2), 'does not fit 8 devices: 8 is not 4'),
  ],
)
def test_a_mesh_that_does_not_fit_is_an_error(config, message):
  with pytest.raises(ConfigError, match=message):
    make_mesh(config)


@pytest.mark.parametrize('sizes', [(-1, -1, 1), (0, 1, 1), (1, -2, 1)])
def test_invalid_sizes_are_errors(sizes):
  with pytest.raises(ConfigError, match=r'axis|devices'):
    MeshConfig(*sizes)


def test_the_mesh_must_divide_the_rows():
  mesh = make_mesh(MeshConfig(data=2, fsdp=2, model=2))
  check_batch(8, mesh)
  for rows in (6, 0):
    with pytest.raises(ConfigError, match=rf'BATCH_ROWS={rows} .*data \* fsdp'):
      check_batch(rows, mesh)
