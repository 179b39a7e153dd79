import jax
from jax.sharding import AxisType
import pytest

from flan_jax.sharding import MeshConfig, batch_shards, check_batch, make_mesh


def test_the_rest_of_the_devices_goes_to_the_open_axis():
  mesh = make_mesh(MeshConfig(data=-1, fsdp=2, model=2))
  assert dict(mesh.shape) == {'data': 2, 'fsdp': 2, 'model': 2}
  assert mesh.axis_types == (AxisType.Auto,) * 3
  assert batch_shards(mesh) == 4


def test_takes_the_devices_that_it_is_given():
  devices = jax.devices()[2:4]
  mesh = make_mesh(MeshConfig(fsdp=2), devices)
  assert list(mesh.devices.flat) == devices


@pytest.mark.parametrize(
  'config, message',
  [
    (MeshConfig(model=3), 'does not fit 8 devices: 8 is not a multiple of 3'),
    (MeshConfig(data=2, fsdp=2), 'does not fit 8 devices: 8 is not 4'),
  ],
)
def test_a_mesh_that_does_not_fit_is_an_error(config, message):
  with pytest.raises(ValueError, match=message):
    make_mesh(config)


@pytest.mark.parametrize('sizes', [(-1, -1, 1), (0, 1, 1), (1, -2, 1)])
def test_senseless_sizes_are_errors(sizes):
  with pytest.raises(ValueError, match='axis'):
    MeshConfig(*sizes)


def test_rows_must_divide():
  mesh = make_mesh(MeshConfig(data=2, fsdp=2, model=2))
  check_batch(8, mesh)
  for rows in (6, 0):
    with pytest.raises(ValueError, match=rf'BATCH_ROWS={rows} .*data \* fsdp'):
      check_batch(rows, mesh)
