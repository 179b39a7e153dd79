"""Plans of a small model for eight simulated devices."""

import dataclasses
import json

import jax
import pytest

from flan_jax.errors import ConfigError
from flan_jax.planning import plan_text
from flan_jax.planning.planner import check, plan, plan_program
from flan_jax.planning.programs import lower
from flan_jax.sharding import MeshConfig
from flan_jax.terminal.blocks import plain
from flan_jax.training.optimizer import OptimizerConfig, for_model
from tests.planning.plans import MODEL, request


def test_inputs_of_a_device_are_exact(planned):
  memory = planned['train']['memory']
  width, layers = MODEL.d_model, MODEL.num_layers
  # Norms and bias are whole on fsdp; the rest is divided by fsdp x model.
  norms = (2 * layers + 1) * width
  bias = MODEL.relative_buckets * MODEL.num_heads
  rest = MODEL.param_count() - norms - bias
  assert memory['parameters'] == 4 * (norms + bias // 2 + rest // 4)
  # 2 of 8 rows: three numbers per token, three per target.
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
  # Each layer gathers seven projections in the forward pass.
  gathered = planned['train']['collectives']['all-gather']
  assert gathered['count'] >= 7 * MODEL.num_layers
  assert planned['train']['uncounted_loops'] == 0


def test_a_plan_costs_the_run(planned):
  assert planned['run']['steps'] == 100
  low, high = planned['run']['chip_hours']
  assert 0 < low <= high
  # Traffic is unknown in a simulation.
  assert planned['train']['step']['memory_s'] is None


def test_a_plan_is_json(planned):
  assert json.loads(json.dumps(planned)) == planned


def test_moments_average_and_gradients_are_those_of_trained_parameters():
  optimizer = OptimizerConfig(
    optimizer='adamw', ema_decay=0.9, frozen=('embedding', 'unembedding')
  )
  changed = request(optimizer=optimizer)
  mesh = check(changed, jax.devices())
  lowered = lower(changed, 'train', mesh)
  tables = 4 * 2 * MODEL.vocab_size * MODEL.d_model // 4
  own = lowered.given['parameters'] - tables
  assert lowered.gradients == own
  # Two moments and the average; some steps are counted besides, a few of them
  # for each layer.
  counters = lowered.given['optimizer_state'] - 3 * own
  assert 0 < counters <= 4 * 4 * (MODEL.num_layers + 1)


@pytest.mark.slow
def test_adapters_take_little_memory_and_evaluation_merges_them():
  model = dataclasses.replace(MODEL, lora_rank=4)
  optimizer = for_model(OptimizerConfig(optimizer='adamw'), model)
  changed = request(model=model, optimizer=optimizer)
  mesh = check(changed, jax.devices())
  train = lower(changed, 'train', mesh)
  # A and B are divided by fsdp or model.
  assert train.gradients == 4 * model.lora_count() // 2
  assert train.given['optimizer_state'] < 2.1 * train.gradients
  plain = lower(request(), 'evaluation', mesh)
  assert lower(changed, 'evaluation', mesh).given == plain.given


@pytest.fixture(scope='module')
def saving():
  """Training that saves memory, in two microbatches."""
  model = dataclasses.replace(MODEL, remat='full')
  asked = request(model=model, microbatches=2)
  return plan_program(asked, 'train', check(asked, jax.devices()))


@pytest.mark.slow
def test_rematerialization_keeps_less(planned, saving):
  default = planned['train']
  # Only the residual stream of one row before every layer.
  stream = MODEL.num_layers * 64 * MODEL.d_model * 4
  assert saving['memory']['activations'] == stream
  assert default['memory']['activations'] > 2 * stream
  assert saving['flops']['model'] == default['flops']['model']
  assert saving['flops']['recomputed'] > default['flops']['recomputed']


@pytest.mark.slow
def test_microbatches_add_summed_gradients(saving):
  memory = saving['memory']
  assert memory['gradients'] == 2 * memory['parameters']


def test_generation_has_a_divided_cache_and_prompts_beside_it():
  # Two key heads among four devices: each is there twice.
  model = dataclasses.replace(MODEL, num_kv_heads=2)
  asked = request(model=model, mesh=MeshConfig(fsdp=2, model=4))
  mesh = check(asked, jax.devices())
  read, added = (lower(asked, name, mesh) for name in ('prefill', 'generate'))
  # 512 tokens are 8 slots, of which 4 on a device, and a row of prompts.
  assert (added.rows, added.length, added.work.tokens) == (8, 64, 8)
  assert (read.rows, read.length, read.work.tokens) == (2, 64, 128)
  token = 2 * model.num_layers * model.head_dim * 4
  # Eight more tokens of a slot wait to join those that came before.
  assert added.given['cache'] == 4 * (64 + 8) * token
  assert added.beside == {'prompts': (2 * 64 + 8) * token}
  assert read.beside == {'cache': added.given['cache']}
  assert read.given['parameters'] == added.given['parameters']


@pytest.mark.slow
def test_generation_is_planned():
  asked = request(programs=('prefill', 'generate'))
  planned = plan(asked, jax.devices())
  for name in asked.programs:
    program = planned[name]
    assert program['needed_bytes'] == sum(program['memory'].values())
    assert program['memory']['cache'] > 0 and program['fits'] is True
  text = plain(plan_text.lines({**planned, 'proposals': []}))
  assert 'generate: 8 slots of 64 tokens; a step adds a token to each' in text


@pytest.mark.parametrize(
  ('message', 'needed'),
  [
    ('RESOURCE_EXHAUSTED: Used 17.5G of 15.75G hbm.', 17.5 * 2**30),
    ('INTERNAL: something else', None),
  ],
)
def test_running_out_of_memory_is_a_plan(message, needed, monkeypatch):
  def fail(self):
    raise jax.errors.JaxRuntimeError(message)

  monkeypatch.setattr(jax.stages.Lowered, 'compile', fail)
  if needed is None:
    with pytest.raises(jax.errors.JaxRuntimeError, match=message):
      plan(request(programs=('evaluation',)), jax.devices())
    return
  made = plan(request(programs=('evaluation',)), jax.devices())
  assert made['evaluation']['fits'] is False
  assert made['evaluation']['needed_bytes'] == needed
  assert 'train' not in made and made['run'] is None


@pytest.mark.parametrize(
  'settings, message',
  [
    ({'mesh': MeshConfig(model=3)}, 'does not fit 8 devices'),
    ({'batch_rows': 6}, 'BATCH_ROWS=6 is not a multiple of data'),
    ({'microbatches': 4}, r'BATCH_ROWS=8 .* = 2 \* 2 .* MICROBATCHES=4'),
    ({'mesh': MeshConfig(model=8)}, 'num_heads=4'),
    (
      {'model': dataclasses.replace(MODEL, attention='splash')},
      'runs on TPUs only',
    ),
  ],
)
def test_mistakes_are_found_before_compilation(settings, message, monkeypatch):
  monkeypatch.setattr(jax.stages.Lowered, 'compile', None)
  with pytest.raises(ConfigError, match=message):
    plan(request(**settings), jax.devices())
