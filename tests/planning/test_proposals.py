"""What is proposed where a model does not fit does fit."""

import dataclasses

import jax
import pytest

from flan_jax.planning import chips
from flan_jax.planning.planner import check, plan, plan_program
from flan_jax.planning.proposals import propose
from flan_jax.sharding import MeshConfig
from tests.planning.plans import MODEL, request

# Much activation and few parameters, on more devices along `model` than help.
_REQUEST = request(
  topology='t4:8',
  programs=('train',),
  mesh=MeshConfig(data=2, model=4),
  model=dataclasses.replace(MODEL, d_ff=1024),
  pack_length=256,
)


@pytest.fixture(scope='module')
def planned():
  return plan(_REQUEST, jax.devices())


def _short_of_memory(planned, available):
  """The same plan on a chip with less memory."""
  train = {**planned['train'], 'fits': False, 'memory_bytes': available}
  return {**planned, 'train': train}


def test_nothing_is_proposed_where_all_fits(planned):
  assert planned['train']['fits']
  assert propose(_REQUEST, planned, jax.devices()) == []


def test_one_change_of_each_kind_is_proposed(planned, monkeypatch):
  available = int(0.97 * planned['train']['needed_bytes'])
  chip = dataclasses.replace(chips.chip_named('t4'), memory_bytes=available)
  monkeypatch.setattr(chips, 'chip_named', lambda name: chip)
  found = propose(_REQUEST, _short_of_memory(planned, available), jax.devices())
  by_name = {proposal['name']: proposal for proposal in found}
  assert set(by_name) == {'mesh', 'rematerialization', 'microbatches'}
  for proposal in found:
    assert proposal['needed_bytes']['train'] <= available
  assert by_name['microbatches']['settings'] == {'MICROBATCHES': 2}
  # The settings are those that were compiled.
  changed = dataclasses.replace(_REQUEST, microbatches=2)
  again = plan_program(changed, 'train', check(changed, jax.devices()))
  said = by_name['microbatches']['needed_bytes']['train']
  assert again['needed_bytes'] == said


def test_nothing_is_compiled_that_cannot_fit(planned, monkeypatch):
  monkeypatch.setattr(jax.stages.Lowered, 'compile', None)
  assert (
    propose(_REQUEST, _short_of_memory(planned, 2**20), jax.devices()) == []
  )
