import dataclasses
import functools
import types

import jax
from jax._src.cudnn import fused_attention_stablehlo
import jax.numpy as jnp
import numpy as np
import pytest

from flan_jax import sharding
from flan_jax.errors import ConfigError
from flan_jax.model import attention, kernel_attention, multihead
from flan_jax.model.decoder_config import DecoderConfig
from tests.model import heads as heads_lib

LENGTH = 256
ROWS = [[100, 60, 96], [200]]
CONFIG = DecoderConfig(
  vocab_size=32,
  num_layers=1,
  d_model=8,
  d_ff=8,
  num_heads=4,
  num_kv_heads=2,
  head_dim=8,
  position='rope',
  compute_dtype='bfloat16',
)


def mesh_of(platform, kind, model=1, capability='9.0'):
  device = types.SimpleNamespace(
    platform=platform, device_kind=kind, compute_capability=capability
  )
  return types.SimpleNamespace(
    devices=np.full((1, 1, model), device), shape={'model': model}, empty=False
  )


@pytest.mark.slow
def test_splash_matches_the_reference_with_gradients():
  heads = heads_lib.random_heads(LENGTH, width=128)
  context = heads_lib.packed_context(ROWS, LENGTH)
  splash = functools.partial(kernel_attention.attend_splash, interpret=True)
  got, expected = (
    heads_lib.outputs_and_gradients(attend, heads, context)
    for attend in (splash, attention.attend_reference)
  )
  heads_lib.assert_close(got, expected, 5e-5)


@pytest.mark.parametrize(
  'windowed', [True, pytest.param(False, marks=pytest.mark.slow)]
)
def test_splash_has_windows_and_caps(windowed):
  heads = heads_lib.random_heads(LENGTH, width=128, heads=2, batch=1)
  context = heads_lib.packed_context(ROWS[:1], LENGTH)
  context = context._replace(windowed=jnp.array(windowed))
  rule = attention.Rule(0.5, softcap=0.7, window=9)
  splash = functools.partial(kernel_attention.attend_splash, interpret=True)
  got, expected = (
    heads_lib.outputs_and_gradients(
      functools.partial(attend, rule=rule), heads, context
    )
    for attend in (splash, attention.attend_reference)
  )
  heads_lib.assert_close(got, expected, 5e-4)


@pytest.mark.slow
def test_splash_has_branches():
  length = 128
  heads = heads_lib.random_heads(length, width=128, heads=2, batch=1)
  # Two prompts with two options each, and one whose options are read alone.
  segments = np.repeat([1, 2, 3, 0], [40, 50, 20, 18])[None]
  branches = np.repeat(
    [0, 1, 2, 0, 1, 2, 0, 0], [30, 4, 6, 10, 20, 20, 20, 18]
  )[None]
  context = attention.AttentionContext(
    segments=jnp.asarray(segments),
    positions=jnp.zeros((1, length), jnp.int32),
    branches=jnp.asarray(branches),
  )
  rule = attention.Rule(0.5, softcap=0.7)
  attended = kernel_attention.attend_splash(
    *heads, context, rule, interpret=True
  )
  expected = attention.attend_reference(*heads, context, rule)
  real = segments[0] > 0
  np.testing.assert_allclose(attended[0, real], expected[0, real], atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize('shape', [(2, 1, 4), (1, 2, 2)], ids=str)
def test_splash_divides_rows_and_heads_of_a_mesh(shape):
  devices = jax.devices()[: int(np.prod(shape))]
  mesh = sharding.make_mesh(sharding.MeshConfig(*shape), devices)
  heads = heads_lib.random_heads(LENGTH, width=128)
  context = heads_lib.packed_context(ROWS, LENGTH)
  splash = functools.partial(kernel_attention.attend_splash, interpret=True)
  with jax.set_mesh(mesh):
    got = jax.jit(splash)(*heads, context)
  expected = attention.attend_reference(*heads, context)
  real = np.asarray(context.segments > 0)[:, :, None, None]
  np.testing.assert_allclose(got * real, expected * real, atol=2e-5)


def test_the_mask_for_cudnn_matches_the_reference():
  heads = heads_lib.random_heads(LENGTH)
  context = heads_lib.packed_context(ROWS, LENGTH)
  rule = attention.Rule(0.5, window=9)
  attend = functools.partial(
    kernel_attention.attend_cudnn, implementation='xla'
  )
  got, expected = (
    heads_lib.outputs_and_gradients(
      functools.partial(attend, rule=rule), heads, context
    )
    for attend in (attend, attention.attend_reference)
  )
  heads_lib.assert_close(got, expected, 5e-5)


def test_cudnn_lowers_for_a_gpu_with_gradients(monkeypatch):
  # It must only be there; its version is read when programs are traced.
  found = types.SimpleNamespace(cudnn_get_version=lambda: 91000)
  monkeypatch.setattr(fused_attention_stablehlo, 'cuda_versions', found)
  mesh = sharding.make_mesh(sharding.MeshConfig(2, 1, 4))
  heads = heads_lib.random_heads(LENGTH, dtype='bfloat16')
  context = heads_lib.packed_context(ROWS, LENGTH)

  @jax.jit
  @functools.partial(jax.grad, argnums=(0, 1, 2))
  def gradients(*heads):
    attended = kernel_attention.attend_cudnn(*heads, context)
    return attended.sum().astype(jnp.float32)

  with jax.set_mesh(mesh):
    traced = gradients.trace(*heads)
    text = traced.lower(lowering_platforms=('cuda',)).as_text()
  # One row and one head of each device, forward and backward.
  for name in ('ScaleBiasSoftmax', 'ScaleBiasSoftmaxBackward'):
    assert f'@__cudnn$fmha{name}(' in text
  assert 'tensor<1x256x1x8xbf16>' in text
  assert 'CAUSAL' in text


@pytest.mark.parametrize(
  ('mesh', 'change', 'length', 'chosen'),
  [
    (mesh_of('tpu', 'TPU v4'), {}, None, 'splash'),
    (mesh_of('tpu', 'TPU v4'), {}, 256, 'splash'),
    (mesh_of('tpu', 'TPU v4', model=4), {}, 256, 'splash'),
    (mesh_of('tpu', 'TPU v4'), {}, 200, 'blocks'),
    (mesh_of('tpu', 'TPU v4', model=8), {}, 256, 'blocks'),
    (mesh_of('tpu', 'TPU v3'), {}, 256, 'blocks'),
    (mesh_of('tpu', 'TPU v4'), {'position': 'relative_bias'}, 256, 'blocks'),
    (mesh_of('tpu', 'TPU v4'), {'compute_dtype': 'float32'}, 256, 'blocks'),
    (mesh_of('tpu', 'TPU v4'), {'attention': 'reference'}, 256, 'reference'),
    (mesh_of('gpu', 'H100'), {'head_dim': 256}, 200, 'cudnn'),
    (mesh_of('gpu', 'H100'), {}, 201, 'blocks'),
    (mesh_of('gpu', 'A100', capability='8.0'), {}, 200, 'cudnn'),
    (mesh_of('gpu', 'A100', 1, '8.0'), {'head_dim': 256}, 200, 'blocks'),
    (mesh_of('gpu', 'V100', capability='7.0'), {}, 200, 'blocks'),
    (mesh_of('gpu', 'MI300X', capability='gfx942'), {}, 200, 'blocks'),
  ],
)
def test_auto_picks_what_platform_and_model_allow(mesh, change, length, chosen):
  config = dataclasses.replace(CONFIG, **change)
  got = multihead.resolve_attention(config, mesh, length=length)
  assert got == dataclasses.replace(config, attention=chosen)


def test_one_cpu_scores_rows_in_pieces():
  def chosen(devices, **named):
    mesh = sharding.make_mesh(sharding.MeshConfig(), jax.devices()[:devices])
    config = dataclasses.replace(CONFIG, compute_dtype='float32')
    return multihead.resolve_attention(config, mesh, **named).attention

  assert chosen(1) == 'pieces'
  assert chosen(1, gradients=True) == 'blocks'
  assert chosen(2) == 'blocks'


@pytest.mark.parametrize(
  ('platform', 'change', 'message'),
  [
    ('cpu', {'attention': 'splash'}, 'TPUs only, not on kind'),
    ('cpu', {'attention': 'cudnn'}, 'GPUs only, not on kind'),
    (
      'tpu',
      {'attention': 'splash', 'position': 'relative_bias'},
      'does not support the bias',
    ),
    (
      'gpu',
      {'attention': 'cudnn', 'attention_softcap': 50.0},
      'does not support attention_softcap',
    ),
    (
      'gpu',
      {'attention': 'cudnn', 'compute_dtype': 'float32'},
      "compute_dtype='bfloat16', not 'float32'",
    ),
    (
      'gpu',
      {'attention': 'cudnn', 'head_dim': 12},
      'a multiple of 8 and at most 256, not 12',
    ),
    ('tpu', {'attention': 'splash'}, 'of 128, not 201: change PACK_LENGTH'),
    (
      'tpu',
      {'attention': 'splash', 'num_heads': 6},
      'num_heads=6 with num_kv_heads=2 among model=4 devices: use',
    ),
    ('gpu', {'attention': 'cudnn'}, 'of 2, not 201: change PACK_LENGTH'),
  ],
)
def test_a_kernel_that_cannot_run_is_rejected(platform, change, message):
  config = dataclasses.replace(CONFIG, **change)
  with pytest.raises(ConfigError, match=message):
    multihead.resolve_attention(
      config, mesh_of(platform, 'kind', model=4), length=201
    )


@pytest.mark.parametrize(
  ('kernel', 'length', 'branched'),
  [('cudnn', 128, True), ('splash', 66, False), ('cudnn', 65, False)],
)
def test_branches_and_odd_lengths_fall_back_to_blocks(kernel, length, branched):
  heads = heads_lib.random_heads(length, batch=1)
  context = heads_lib.packed_context([[50, length - 50]], length)
  if branched:
    branches = jnp.zeros((1, length), jnp.int32)
    context = context._replace(branches=branches)
  config = dataclasses.replace(CONFIG, attention=kernel)
  heads_lib.assert_close(
    multihead.attend(config, *heads, context),
    attention.attend_reference(*heads, context),
    2e-5,
  )
