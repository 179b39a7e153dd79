"""`flan-jax plan` from its flags on."""

import json

import gin
import pytest

from flan_jax.errors import UserError
from flan_jax.runs import plan
from tests.command_line import ROOT, SMALL

_FLAGS = (
  *SMALL,
  '--gin.PACK_LENGTH=128',
  "--gin.TASK_FEATURE_LENGTHS={'inputs': 96, 'targets': 32}",
  '--gin.TOKENS_PER_EVAL_BATCH=512',
)
_DEVICES = ('--devices=2', '--gin.MESH_FSDP=2')


@pytest.fixture(autouse=True)
def _clean_gin():
  gin.clear_config()
  yield
  gin.clear_config()


@pytest.fixture
def requests(monkeypatch):
  """Requests, which are answered without compilation: training does not fit."""
  seen = []

  def answer(request):
    seen.append(request)
    return {name: {'fits': name != 'train'} for name in request.programs}

  monkeypatch.setattr(plan, 'plan_in_process', answer)
  return seen


@pytest.mark.slow
def test_a_model_and_devices_suffice(monkeypatch, capsys):
  # The one test that compiles, in a process with two devices.
  monkeypatch.setenv('PYTHONPATH', str(ROOT))
  assert plan.main([*_FLAGS, *_DEVICES, '--format=json']) == 0
  planned = json.loads(capsys.readouterr().out)
  assert planned['simulated'] is True
  assert planned['mesh'] == {'data': 1, 'fsdp': 2, 'model': 1}
  assert planned['batch'] == {
    'rows': 4,
    'length': 128,
    'target_budget': 64,
    'microbatches': 1,
  }
  assert planned['evaluation']['rows'] == 2
  assert planned['train']['collectives']['all-gather']['count'] > 0
  # A CPU has no memory to fit into and no price.
  assert planned['train']['fits'] is None and planned['run'] is None
  assert planned['proposals'] == [] and planned['host_bytes'] > 2**20


def test_hardware_files_name_the_topology(requests):
  flags = ['--gin_file=hardware/one_gpu.gin', '--format=json']
  assert plan.main([*_FLAGS, *flags, '--only=evaluation']) == 0
  (request,) = requests
  assert (request.topology, request.simulated) == ('h100:1', True)
  assert request.programs == ('evaluation',)
  assert request.model.compute_dtype == 'bfloat16'
  assert (request.eval_length, request.eval_tokens) == (256, 512)


def test_the_exit_code_is_1_if_a_program_does_not_fit(requests, capsys):
  assert plan.main([*_FLAGS, '--topology=v5e:2x2', '--format=json']) == 1
  out, error = capsys.readouterr()
  assert json.loads(out)['train']['fits'] is False
  assert 'Compiling train, evaluation, prefill and generate for v5e' in error


@pytest.mark.parametrize(
  ('flags', 'installed', 'simulated'),
  [
    (['--topology=v5e:2x2'], True, False),
    (['--topology=v5e:2x2'], False, True),
    (['--topology=v5e:2x2', '--devices=4'], True, True),
    (['--topology=h100:4'], True, True),
  ],
)
def test_only_tpus_are_compiled_for(
  flags, installed, simulated, requests, monkeypatch
):
  monkeypatch.setattr(plan, 'has_libtpu', lambda: installed)
  plan.main([*_FLAGS, *flags, '--format=json'])
  assert requests[0].simulated is simulated


def test_a_dry_run_compiles_nothing(requests):
  assert plan.main([*_FLAGS, *_DEVICES, '--dry_run']) == 0
  assert requests == []


@pytest.mark.parametrize(
  'flags, message',
  [
    ([], 'no hardware to plan for: add a hardware file'),
    (['--topology=v4-128'], "topology 'v4-128' is not of the form"),
    (['--devices=8', '--topology=v4:2x2x1'], 'v4:2x2x1 has 4 devices'),
    (['--devices=0'], 'is not an integer of at least 1'),
    ([*_DEVICES, '--gin.MESH_MODLE=2'], 'nearest: MESH_MODEL'),
    ([*_DEVICES, '--fromat=json'], "unknown flag '--fromat=json'"),
    (['--devices=two'], "'two' is not an integer"),
  ],
)
def test_mistakes_are_user_errors(flags, message, requests):
  with pytest.raises(UserError, match=message):
    plan.main([*_FLAGS, *flags])
  assert requests == []
