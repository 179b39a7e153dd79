"""`flan-jax plan` from the command line."""

import json

import gin
import pytest

from flan_jax.planning import plan_text
from flan_jax.planning.topology import has_libtpu
from flan_jax.runs import plan
from tests.command_line import SMALL

_PLAN = (
  'plan',
  *SMALL,
  '--gin.PACK_LENGTH=128',
  "--gin.TASK_FEATURE_LENGTHS={'inputs': 96, 'targets': 32}",
  '--gin.TOKENS_PER_EVAL_BATCH=512',
)


@pytest.fixture(autouse=True)
def _clean_gin():
  gin.clear_config()
  yield
  gin.clear_config()


def test_a_model_and_devices_are_enough(cli):
  out = cli.check(*_PLAN, '--devices=2', '--gin.MESH_FSDP=2', '--format=json')
  planned = json.loads(out)
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
  # No chip, so nothing to fit into and nothing to pay.
  assert planned['train']['fits'] is None and planned['run'] is None
  text = '\n'.join(plan_text.lines(planned))
  assert 'parameters' in text and 'simulated' in text


def test_a_chip_that_is_played_has_its_memory_and_price(cli):
  out = cli.check(*_PLAN, '--gin_file=hardware/one_gpu.gin', '--only=train')
  assert 'h100:1: 1 chips, 1 devices' in out
  assert 'of 80.00: fits' in out
  assert 'run of 30,000 steps' in out
  assert 'US dollars' in out
  assert 'evaluation:' not in out


_DEVICES = ('--devices=2', '--gin.MESH_FSDP=2')


@pytest.mark.parametrize(
  'flags, message',
  [
    ([], 'no hardware to plan for: add a file of hardware/'),
    (['--topology=v4-128'], "topology 'v4-128' is not of the form"),
    (['--devices=8', '--topology=v4:2x2x1'], 'v4:2x2x1 has 4 devices'),
    (['--devices=0'], 'has no chips'),
    ([*_DEVICES, '--gin.MESH_MODLE=2'], 'nearest: MESH_MODEL'),
    ([*_DEVICES, '--fromat=json'], "unknown flag '--fromat=json'"),
    (['--devices=two'], "invalid int value: 'two'"),
    (['--devices=8'], r'BATCH_ROWS=4 is not a multiple of data \* fsdp'),
    ([*_DEVICES, '--gin.MICROBATCHES=4'], 'MICROBATCHES=4 times the 2 parts'),
  ],
)
def test_mistakes_are_one_error(flags, message):
  with pytest.raises(ValueError, match=message):
    plan.main([*_PLAN[1:], *flags])


def test_a_mistake_is_one_line(cli):
  code, out, error = cli(*_PLAN, '--devices=2', '--gin.MESH_MODEL=3')
  assert code == 2
  said = error.splitlines()[-1]
  assert said.startswith('flan-jax plan: error: A mesh of data=-1')
  assert 'Traceback' not in error
  assert out == ''


@pytest.mark.skipif(not has_libtpu(), reason='needs the extra [tpu]')
def test_compiles_for_tpus_that_are_not_there(cli):
  out = cli.check(
    *_PLAN,
    '--topology=2*v5e:2x2',
    '--gin.MESH_DATA=2',
    '--gin.MESH_FSDP=2',
    '--gin.MESH_MODEL=2',
    '--gin.COMPUTE_DTYPE=bfloat16',
    '--format=json',
  )
  planned = json.loads(out)
  assert planned['simulated'] is False
  # Two slices of four chips.
  assert (planned['chip'], planned['chips']) == ('v5e', 8)
  for name in ('train', 'evaluation'):
    program = planned[name]
    assert program['fits'] is True
    assert program['memory']['code'] > 0
    assert program['uncounted_loops'] == 0
    assert program['step']['memory_s'] > 0
    assert program['step']['interconnect_s'] > 0
  assert planned['run']['dollars'][0] > 0


@pytest.mark.skipif(not has_libtpu(), reason='needs the extra [tpu]')
def test_what_is_too_large_says_so_and_what_would_fit(cli):
  code, out, error = cli(
    'plan',
    '--gin_file=models/small.gin',
    '--topology=v5e:2x2',
    '--only=train',
    '--format=json',
    '--gin.MESH_DATA=4',
    '--gin.COMPUTE_DTYPE=bfloat16',
    '--gin.BATCH_ROWS=256',
  )
  assert code == 1, error
  planned = json.loads(out)
  assert planned['train']['fits'] is False
  assert planned['train']['needed_bytes'] > planned['train']['memory_bytes']
  assert planned['proposals']
  for proposal in planned['proposals']:
    assert proposal['needed_bytes']['train'] <= planned['train']['memory_bytes']
