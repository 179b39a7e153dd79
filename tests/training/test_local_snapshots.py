"""Copies on local disks give back the state bit for bit, or are not read."""

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec
import numpy as np
import pytest

from flan_jax import sharding
from flan_jax.runtime import processes
from flan_jax.training.local_snapshots import LocalSnapshots


def _state(data: int, fsdp: int, seed: int = 0):
  mesh = sharding.make_mesh(sharding.MeshConfig(data, fsdp), jax.devices()[:8])
  random = np.random.default_rng(seed)

  def put(array, *spec):
    return jax.device_put(array, NamedSharding(mesh, PartitionSpec(*spec)))

  return {
    'params': {
      'whole': put(random.random((3, 5), np.float32)),
      'divided': put(random.random((8, 4), np.float32), 'fsdp'),
      'half': put(jnp.asarray(random.random(16), jnp.bfloat16), 'fsdp'),
    },
    'step': put(np.int32(7)),
  }


def _abstract(state):
  return jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), state
  )


def _accept(record, path):
  pass


@pytest.fixture
def copies(tmp_path):
  opened = LocalSnapshots(tmp_path, 'run')
  yield opened
  opened.close()


def test_the_newest_copy_is_read_bit_for_bit(tmp_path, copies):
  state = _state(2, 4)
  donate = jax.jit(
    lambda tree: jax.tree.map(jnp.negative, tree), donate_argnums=0
  )
  for step in (1, 2, 3):
    copies.save(step, state, {'of': step})
    before, state = jax.device_get(state), donate(state)
  copies.wait()
  assert copies.steps() == [2, 3]
  restored, record, step = copies.restore_newer(_abstract(state), 2, _accept)
  assert (record, step) == ({'of': 3}, 3)
  jax.tree.map(np.testing.assert_array_equal, jax.device_get(restored), before)
  for got, wanted in zip(
    jax.tree.leaves(restored), jax.tree.leaves(state), strict=True
  ):
    assert got.sharding == wanted.sharding and got.dtype == wanted.dtype
  # Not if a checkpoint is as new, nor for another run.
  assert copies.restore_newer(_abstract(state), 3, _accept) is None
  other = LocalSnapshots(tmp_path, 'other')
  assert other.restore_newer(_abstract(state), 0, _accept) is None
  other.close()


@pytest.mark.parametrize('file', ['arrays.bin', 'about.json'])
def test_a_damaged_copy_is_passed_over(tmp_path, copies, file):
  state = _state(2, 4)
  for step in (1, 2):
    copies.save(step, state, {})
  copies.wait()
  (path,) = tmp_path.glob(f'run/*/2/{file}')
  data = bytearray(path.read_bytes())
  data[len(data) // 2] ^= 128
  path.write_bytes(data)
  # What a killed process leaves.
  (path.parents[1] / '3.writing').mkdir()
  assert copies.restore_newer(_abstract(state), 0, _accept)[2] == 1


def test_a_copy_of_another_mesh_is_not_read(copies):
  copies.save(1, _state(2, 4), {})
  copies.wait()
  assert copies.restore_newer(_abstract(_state(4, 2)), 0, _accept) is None


def test_all_processes_must_have_the_copy(copies, monkeypatch):
  state = _state(1, 8)
  for step in (1, 2):
    copies.save(step, state, {})
  copies.wait()
  # The other process lacks one, or cannot read it.
  answers = iter([[[1, 2], [1]], [True, True]])
  monkeypatch.setattr(processes, 'gather', lambda value: next(answers))
  assert copies.restore_newer(_abstract(state), 0, _accept)[2] == 1
  answers = iter([[[1, 2], [2]], [True, False]])
  assert copies.restore_newer(_abstract(state), 0, _accept) is None


def test_a_failed_write_is_raised(copies, monkeypatch):
  monkeypatch.setattr(copies, '_write', lambda *_: 1 // 0)
  copies.save(1, _state(1, 8), {})
  with pytest.raises(ZeroDivisionError):
    copies.wait()
