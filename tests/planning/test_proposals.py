"""Proposals fit, and are made of what was compiled."""

import dataclasses

import jax
import pytest

from flan_jax.planning import proposals
from flan_jax.planning.planner import check
from flan_jax.sharding import MeshConfig, batch_shards
from tests.planning.plans import MODEL, request

# Large activations and few parameters, with more devices along `model` than
# help.
_REQUEST = request(
  topology='t4:4',
  programs=('train',),
  mesh=MeshConfig(data=1, model=4),
  batch_rows=4,
  model=dataclasses.replace(MODEL, d_ff=1024),
  pack_length=256,
)
_DEVICES = jax.devices()[:4]
_KEPT = {'none': 4, 'dots': 2, 'full': 1}


class _Compiler:
  """Stands in for `plan_program`: activations shrink as they should."""

  def __init__(self):
    self.available = 0
    self.compiled = []

  def plan_program(self, asked, name, mesh):
    self.compiled.append(asked)
    rows = asked.batch_rows / asked.microbatches / batch_shards(mesh)
    needed = int(rows * _KEPT[asked.model.remat] * 2**30)
    return {
      'needed_bytes': needed,
      'memory_bytes': self.available,
      'fits': needed <= self.available,
      'step': None,
    }

  def propose(self, available):
    self.available = int(available)
    mesh = check(_REQUEST, _DEVICES)
    plan = {'train': self.plan_program(_REQUEST, 'train', mesh)}
    self.compiled.clear()
    return proposals.propose(_REQUEST, plan, _DEVICES)


@pytest.fixture
def compiler(monkeypatch):
  compiler = _Compiler()
  monkeypatch.setattr(proposals, 'plan_program', compiler.plan_program)
  return compiler


# The request needs 16 GiB: 4 rows a device, without rematerialization.


def test_nothing_is_proposed_if_all_fits(compiler):
  assert compiler.propose(16 * 2**30) == []
  assert compiler.compiled == []


def test_one_change_of_each_kind_is_proposed(compiler):
  found = compiler.propose(15.9 * 2**30)
  assert [proposal['name'] for proposal in found] == [
    'mesh',
    'rematerialization',
    'microbatches',
  ]
  mesh, remat, microbatches = (proposal['settings'] for proposal in found)
  # Fewest bytes: all devices share the parameters and read rows of their own.
  assert mesh == {'MESH_DATA': 1, 'MESH_FSDP': 4, 'MESH_MODEL': 1}
  # The mildest changes that suffice.
  assert remat == {'DecoderConfig.remat': 'dots'}
  assert microbatches == {'MICROBATCHES': 2}
  assert [p['needed_bytes']['train'] for p in found] == [2**32, 2**33, 2**33]
  # The settings are those that were compiled.
  assert [asked.mesh for asked in compiler.compiled[:1]] == [
    MeshConfig(1, 4, 1)
  ]
  assert compiler.compiled[1].model.remat == 'dots'
  assert compiler.compiled[2].microbatches == 2


def test_changes_are_combined_if_none_suffices(compiler):
  (found,) = compiler.propose(1.5 * 2**30)
  assert found['name'] == 'rematerialization and microbatches'
  assert found['settings'] == {
    'DecoderConfig.remat': 'full',
    'MICROBATCHES': 4,
  }
  # Two of each kind were compiled before.
  assert len(compiler.compiled) == 2 * 3 + 1


def test_nothing_is_compiled_that_cannot_fit(compiler):
  assert compiler.propose(2**20) == []
  assert compiler.compiled == []
