"""What a plan is requested for."""

import json

import pytest

from flan_jax.planning import request as request_lib
from flan_jax.planning.request import Request
from tests.planning.plans import request


def test_a_request_survives_json():
  asked = request(programs=('train',))
  assert Request.from_json(json.loads(json.dumps(asked.as_json()))) == asked


def test_half_of_a_row_is_assumed_to_be_targets():
  asked = request(target_budget=None, simulated=False)
  assert asked.targets == 32
  assert asked.notes() == [
    'TARGET_BUDGET is left to the data; 32 of 64 tokens are assumed'
  ]


@pytest.mark.parametrize('installed', [True, False])
def test_notes_tell_why_a_tpu_is_simulated(installed, monkeypatch):
  monkeypatch.setattr(request_lib, 'has_libtpu', lambda: installed)
  notes = request(topology='v5e:2x4').notes()
  assert ('libtpu is not installed' in notes[0]) == (not installed)
  assert notes[-1].startswith('simulated: parameters')
