"""Planning in a process of its own."""

import io
import json
import sys

import jax
import pytest

from flan_jax.errors import ConfigError
from flan_jax.planning import plan_worker
from flan_jax.sharding import MeshConfig
from tests.planning.plans import request


def _answer(asked, monkeypatch, capsys):
  text = io.StringIO(json.dumps(asked.as_json()))
  monkeypatch.setattr(sys, 'stdin', text)
  plan_worker.main()
  return json.loads(capsys.readouterr().out)


def test_a_request_is_answered_by_a_plan(planned, monkeypatch, capsys):
  monkeypatch.setattr(plan_worker, 'plan', lambda *_: {**planned})
  answer = _answer(request(), monkeypatch, capsys)
  assert answer.pop('host_bytes') > 2**20
  assert answer == {**planned, 'proposals': []}


def test_a_mistake_is_answered_by_its_message(monkeypatch, capsys):
  monkeypatch.setattr(jax.stages.Lowered, 'compile', None)
  asked = request(mesh=MeshConfig(model=3))
  answer = _answer(asked, monkeypatch, capsys)
  assert list(answer) == ['error']
  assert 'does not fit 8 devices' in answer['error']


@pytest.mark.parametrize(
  ('done', 'error', 'message'),
  [
    ({'stdout': '{"error": "a mistake"}'}, ConfigError, 'a mistake'),
    ({'returncode': 1, 'stderr': 'Traceback'}, RuntimeError, 'Traceback'),
  ],
)
def test_mistakes_and_failures_are_told_apart(
  done, error, message, monkeypatch
):
  seen = []

  def run(*args, env, **kwargs):
    seen.append(env['XLA_FLAGS'])
    return plan_worker.subprocess.CompletedProcess(
      args, **{'returncode': 0, **done}
    )

  monkeypatch.setattr(plan_worker.subprocess, 'run', run)
  with pytest.raises(error, match=message):
    plan_worker.plan_in_process(request())
  assert '=8' in seen[0]  # Devices to simulate.
