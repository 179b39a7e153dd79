import dataclasses
import functools
import types

import jax
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


def device(platform, kind):
  return types.SimpleNamespace(platform=platform, device_kind=kind)


def mesh_of(device):
  return types.SimpleNamespace(devices=np.array([[[device]]]))


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


def test_splash_rejects_lengths_and_heads_that_it_cannot_divide():
  x = jnp.ones((1, 100, 4, 8))
  context = heads_lib.packed_context([[100]], 100)
  with pytest.raises(ConfigError, match='of 128, not 100: change PACK_LENGTH'):
    kernel_attention.attend_splash(x, x, x, context)
  with pytest.raises(ConfigError, match=r'4 heads with 4 .* among model=8'):
    kernel_attention._repeats(4, 4, 8)


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


@pytest.mark.parametrize(
  ('kind', 'change', 'chosen'),
  [
    ('TPU v4', {}, 'splash'),
    ('TPU v3', {}, 'blocks'),
    ('TPU v4', {'position': 'relative_bias'}, 'blocks'),
    ('TPU v4', {'compute_dtype': 'float32'}, 'blocks'),
    ('TPU v4', {'attention': 'reference'}, 'reference'),
  ],
)
def test_auto_picks_what_platform_and_model_allow(kind, change, chosen):
  config = dataclasses.replace(CONFIG, **change)
  got = multihead.resolve_attention(config, mesh_of(device('tpu', kind)))
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
  ],
)
def test_a_kernel_that_cannot_run_is_rejected(platform, change, message):
  config = dataclasses.replace(CONFIG, **change)
  with pytest.raises(ConfigError, match=message):
    multihead.resolve_attention(config, mesh_of(device(platform, 'kind')))


def test_branches_fall_back_to_blocks():
  heads = heads_lib.random_heads(LENGTH)
  context = heads_lib.packed_context(ROWS, LENGTH)
  context = context._replace(branches=jnp.zeros((2, LENGTH), jnp.int32))
  config = dataclasses.replace(CONFIG, attention='splash')
  heads_lib.assert_close(
    multihead.attend(config, *heads, context),
    attention.attend_reference(*heads, context),
    2e-5,
  )
