"""The memory of a training step against that of a device."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

from flan_jax.errors import ConfigError
from flan_jax.planning import chips, device_memory
from flan_jax.planning.programs import Lowered
from flan_jax.sharding import MeshConfig, make_mesh


@pytest.fixture
def mesh(monkeypatch):
  """A mesh; the step needs eight bytes."""

  def lower(request, program, mesh):
    step = jax.jit(lambda x: x + 1).lower(jnp.ones((), jnp.float32))
    return Lowered(step, {}, 1, 1, 1)

  monkeypatch.setattr(device_memory, 'lower', lower)
  return make_mesh(MeshConfig(), jax.devices()[:1])


def _set_memory(monkeypatch, size):
  chip = dataclasses.replace(chips.chip_named('t4'), memory_bytes=size)
  monkeypatch.setattr(chips, 'chip_of_kind', lambda kind: chip)


def test_memory_that_is_not_known_is_not_compared(mesh):
  assert device_memory.check_memory(None, mesh) is None


def test_a_step_that_does_not_fit_is_refused(mesh, monkeypatch):
  _set_memory(monkeypatch, 8)
  text = device_memory.check_memory(None, mesh)
  assert text == 'a training step needs 0.00 of 0.00 GiB of a t4 device'
  _set_memory(monkeypatch, 7)
  with pytest.raises(ConfigError, match='lower BATCH_ROWS'):
    device_memory.check_memory(None, mesh)
