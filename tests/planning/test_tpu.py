"""Programs that libtpu compiles for TPUs that are not present."""

import dataclasses
import os

import pytest

from flan_jax.errors import ConfigError
from flan_jax.model import DecoderConfig
from flan_jax.planning.planner import check, plan, plan_program
from flan_jax.planning.programs import lower
from flan_jax.planning.topology import (
  Topology,
  devices_of,
  environment,
  has_libtpu,
)
from flan_jax.sharding import MeshConfig
from tests.planning.plans import request

pytestmark = pytest.mark.skipif(
  not has_libtpu(), reason='needs the extra [tpu]'
)

# A small Llama with heads as wide as those of the large ones, on two slices of
# four chips.
_REQUEST = request(
  model=DecoderConfig(
    vocab_size=512,
    num_layers=2,
    d_model=256,
    d_ff=512,
    num_heads=4,
    num_kv_heads=2,
    head_dim=128,
    position='rope',
    activation='silu',
    compute_dtype='bfloat16',
    remat='full',
  ),
  topology='2*v5e:2x2',
  simulated=False,
  mesh=MeshConfig(data=2, fsdp=2, model=2),
  pack_length=256,
  eval_length=256,
)


@pytest.fixture(scope='module')
def devices():
  with pytest.MonkeyPatch.context() as patch:
    for name, value in environment(os.environ, 1).items():
      if 'TPU' in name:
        patch.setenv(name, value)
    yield devices_of(Topology.parse(_REQUEST.topology), simulated=False)


@pytest.mark.slow
def test_splash_attention_compiles(devices):
  planned = plan(_REQUEST, devices)
  assert planned['attention'] == 'splash'
  for name in ('train', 'evaluation'):
    lowered = lower(_REQUEST, name, check(_REQUEST, devices)).lowered
    assert 'tpu_custom_call' in lowered.as_text()
  assert (planned['chip'], planned['chips']) == ('v5e', 8)
  for name in ('train', 'evaluation'):
    program = planned[name]
    assert program['fits'] is True
    assert program['memory']['code'] > 0
    assert program['uncounted_loops'] == 0
    assert program['step']['memory_s'] > 0
    assert program['step']['interconnect_s'] > 0
  assert planned['run']['dollars'][0] > 0


def test_rows_that_splash_cannot_divide_use_blocks(devices):
  short = dataclasses.replace(_REQUEST, pack_length=192)
  lowered = lower(short, 'train', check(short, devices)).lowered
  assert 'tpu_custom_call' not in lowered.as_text()
  model = dataclasses.replace(short.model, attention='splash')
  chosen = dataclasses.replace(short, model=model)
  with pytest.raises(ConfigError, match='of 128, not 192: change PACK_LENGTH'):
    check(chosen, devices)


@pytest.mark.slow
def test_splash_attention_with_windows_and_caps_compiles(devices):
  # As in Gemma 2, whose layers alternate.
  gemma = dataclasses.replace(
    _REQUEST.model,
    activation='gelu',
    scale_embedding=True,
    norm_place='both',
    norm_from_one=True,
    window=128,
    global_every=2,
    attention_softcap=50.0,
    logits_softcap=30.0,
  )
  request = dataclasses.replace(_REQUEST, model=gemma)
  mesh = check(request, devices)
  program = plan_program(request, 'train', mesh)
  assert program['fits'] is True and program['step']['memory_s'] > 0
  text = lower(request, 'train', mesh).lowered.as_text()
  assert 'tpu_custom_call' in text and 'stablehlo.case' in text


@pytest.mark.slow
def test_a_program_that_is_too_large_does_not_fit(devices):
  large = dataclasses.replace(
    _REQUEST,
    model=dataclasses.replace(_REQUEST.model, num_layers=1, d_ff=2**17),
    eval_length=2048,
    eval_tokens=2**24,
  )
  mesh = check(large, devices)
  program = plan_program(large, 'evaluation', mesh)
  assert program['fits'] is False
  assert program['needed_bytes'] > program['memory_bytes'] == 2**34


def test_an_unknown_slice_is_an_error():
  with pytest.raises(ConfigError, match=r'libtpu has no topology v5e:7x9'):
    devices_of(Topology.parse('v5e:7x9'), simulated=False)
