"""Plans of a small model for eight simulated devices."""

import dataclasses
import json

import jax
import pytest

from flan_jax.planning.plan_worker import PlanError, plan_in_process
from flan_jax.planning.planner import check, plan
from flan_jax.planning.programs import Request
from flan_jax.sharding import MeshConfig
from tests.planning.plans import MODEL, request


@pytest.fixture(scope='module')
def planned():
  return plan(request(topology='t4:8'), jax.devices())


def test_what_a_device_is_given_is_exact(planned):
  memory = planned['train']['memory']
  width, layers = MODEL.d_model, MODEL.num_layers
  # Norms and the bias are whole on fsdp, all else is divided by fsdp x model.
  norms = (2 * layers + 1) * width
  bias = MODEL.relative_buckets * MODEL.num_heads
  rest = MODEL.param_count() - norms - bias
  assert memory['parameters'] == 4 * (norms + bias // 2 + rest // 4)
  # 2 of 8 rows: tokens, segments, positions, and of each target three numbers.
  assert memory['batch'] == 4 * 2 * (3 * 64 + 3 * 16)
  assert memory['gradients'] == memory['parameters']
  assert planned['evaluation']['memory']['parameters'] == memory['parameters']
  assert 'optimizer_state' not in planned['evaluation']['memory']


def test_kinds_of_memory_add_up(planned):
  for name in ('train', 'evaluation'):
    program = planned[name]
    assert program['needed_bytes'] == sum(program['memory'].values())
    assert min(program['memory'].values()) >= 0
    assert program['fits'] is True


def test_loops_over_layers_are_counted_in_full(planned):
  # Each layer gathers seven projections on its way forward.
  gathered = planned['train']['collectives']['all-gather']
  assert gathered['count'] >= 7 * MODEL.num_layers
  assert planned['train']['uncounted_loops'] == 0


def test_costs_of_the_run(planned):
  assert planned['run']['steps'] == 100
  low, high = planned['run']['chip_hours']
  assert 0 < low <= high
  assert planned['train']['step']['memory_s'] is None  # Simulated.


def test_a_plan_is_json(planned):
  assert json.loads(json.dumps(planned)) == planned


def test_rematerialization_keeps_less():
  def kept(remat):
    model = dataclasses.replace(MODEL, remat=remat)
    made = plan(request(model=model, programs=('train',)), jax.devices())
    return made['train']

  none, full = kept('none'), kept('full')
  # The residual stream of 2 rows before every layer, and nothing else.
  stream = MODEL.num_layers * 2 * 64 * MODEL.d_model * 4
  assert full['memory']['activations'] == stream < none['memory']['activations']
  assert full['flops']['model'] == none['flops']['model']
  assert full['flops']['recomputed'] > none['flops']['recomputed']


def test_microbatches_sum_gradients_beside_them():
  made = plan(request(microbatches=2, programs=('train',)), jax.devices())
  memory = made['train']['memory']
  assert memory['gradients'] == 2 * memory['parameters']
  assert 'evaluation' not in made


@pytest.mark.parametrize(
  'settings, message',
  [
    ({'mesh': MeshConfig(model=3)}, 'does not fit 8 devices'),
    ({'batch_rows': 6}, 'BATCH_ROWS=6 is not a multiple of data'),
    ({'microbatches': 4}, 'BATCH_ROWS=8 .* MICROBATCHES=4 times the 4 parts'),
    ({'mesh': MeshConfig(model=8)}, 'num_heads=4'),
    (
      {'model': dataclasses.replace(MODEL, attention='splash')},
      'runs on TPUs only',
    ),
  ],
)
def test_mistakes_are_found_before_anything_is_compiled(
  settings, message, monkeypatch
):
  monkeypatch.setattr(jax.stages.Lowered, 'compile', None)
  with pytest.raises(ValueError, match=message):
    check(request(**settings), jax.devices())
  with pytest.raises(ValueError, match=message):
    plan(request(**settings), jax.devices())


def test_a_request_survives_the_way_to_the_process_that_plans_it():
  asked = request()
  assert Request.from_json(json.loads(json.dumps(asked.as_json()))) == asked


def test_plans_in_a_process_of_its_own_with_devices_of_its_own():
  asked = request(
    mesh=MeshConfig(data=3), topology='cpu:3', batch_rows=3, programs=('train',)
  )
  made = plan_in_process(asked)
  assert made['devices'] == 3
  assert made['proposals'] == []
  assert made['host_bytes'] > 2**20
  with pytest.raises(PlanError, match='does not fit 3 devices'):
    plan_in_process(dataclasses.replace(asked, mesh=MeshConfig(model=2)))
