"""What is proposed where a model does not fit does fit."""

import dataclasses

import jax
import pytest

from flan_jax.sharding import MeshConfig, chips
from flan_jax.sharding.plan import plan
from flan_jax.sharding.proposals import propose
from tests.sharding.plans import MODEL, request

# Much activation and few parameters: 8 rows of 256 tokens in a narrow model.
_REQUEST = request(
  topology='t4:8',
  programs=('train',),
  mesh=MeshConfig(data=2, model=4),
  model=dataclasses.replace(MODEL, d_ff=1024),
  pack_length=256,
)


def _with_memory(monkeypatch, size):
  chip = dataclasses.replace(chips.chip_named('t4'), memory_bytes=size)
  monkeypatch.setattr(chips, 'chip_named', lambda name: chip)


def _needed(asked):
  return plan(asked, jax.devices())['train']['needed_bytes']


def test_nothing_is_proposed_where_all_fits():
  planned = plan(_REQUEST, jax.devices())
  assert planned['train']['fits']
  assert propose(_REQUEST, planned, jax.devices()) == []


def test_proposals_are_compiled_and_fit(monkeypatch):
  devices = jax.devices()
  available = int(0.95 * _needed(_REQUEST))
  _with_memory(monkeypatch, available)
  planned = plan(_REQUEST, devices)
  assert planned['train']['fits'] is False
  found = propose(_REQUEST, planned, devices)
  assert 1 <= len(found) <= 3
  assert len({proposal['name'] for proposal in found}) == len(found)
  for proposal in found:
    changed = _changed(proposal['settings'])
    assert _needed(changed) == proposal['needed_bytes']['train'] <= available


def _changed(settings):
  """The request with the gin bindings of a proposal."""
  axes = {
    axis: settings.get(f'MESH_{axis.upper()}', size)
    for axis, size in dataclasses.asdict(_REQUEST.mesh).items()
  }
  remat = settings.get('DecoderConfig.remat', _REQUEST.model.remat)
  return dataclasses.replace(
    _REQUEST,
    mesh=MeshConfig(**axes),
    model=dataclasses.replace(_REQUEST.model, remat=remat),
    microbatches=settings.get('MICROBATCHES', _REQUEST.microbatches),
  )


def test_nothing_is_compiled_that_cannot_fit(monkeypatch):
  devices = jax.devices()
  _with_memory(monkeypatch, 2**20)
  planned = plan(_REQUEST, devices)
  monkeypatch.setattr(jax.stages.Lowered, 'compile', None)
  assert propose(_REQUEST, planned, devices) == []


@pytest.mark.parametrize('kind', ['mesh', 'rematerialization', 'microbatches'])
def test_each_kind_is_found_where_it_helps(kind, monkeypatch):
  devices = jax.devices()
  available = int(0.97 * _needed(_REQUEST))
  _with_memory(monkeypatch, available)
  found = propose(_REQUEST, plan(_REQUEST, devices), devices)
  assert kind in [proposal['name'] for proposal in found]
