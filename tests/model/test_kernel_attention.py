import dataclasses
import functools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flan_jax import sharding
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


def test_splash_equals_the_reference_with_gradients():
  heads = heads_lib.random_heads(LENGTH, width=128)
  sight = heads_lib.packed_sight(ROWS, LENGTH)
  splash = functools.partial(kernel_attention.attend_splash, interpret=True)
  got, expected = (
    heads_lib.outputs_and_gradients(attend, heads, sight)
    for attend in (splash, attention.attend_reference)
  )
  heads_lib.assert_close(got, expected, 5e-5)


@pytest.mark.parametrize('shape', [(2, 1, 4), (1, 2, 2)], ids=str)
def test_splash_divides_rows_and_heads_of_a_mesh(shape):
  devices = jax.devices()[: int(np.prod(shape))]
  mesh = sharding.make_mesh(sharding.MeshConfig(*shape), devices)
  heads = heads_lib.random_heads(LENGTH, width=128)
  sight = heads_lib.packed_sight(ROWS, LENGTH)
  splash = functools.partial(kernel_attention.attend_splash, interpret=True)
  with jax.set_mesh(mesh):
    got = jax.jit(splash)(*heads, sight)
  expected = attention.attend_reference(*heads, sight)
  real = np.asarray(sight.segments > 0)[:, :, None, None]
  np.testing.assert_allclose(got * real, expected * real, atol=2e-5)


def test_splash_says_what_it_cannot_do():
  x = jnp.ones((1, 100, 4, 8))
  sight = heads_lib.packed_sight([[100]], 100)
  with pytest.raises(ValueError, match='128 tokens, not 100: change PACK_LEN'):
    kernel_attention.attend_splash(x, x, x, sight)
  with pytest.raises(ValueError, match='4 key heads of 4 heads among model=8'):
    kernel_attention._repeats(4, 4, 8)


def test_the_mask_for_cudnn_equals_the_reference():
  heads = heads_lib.random_heads(LENGTH)
  sight = heads_lib.packed_sight(ROWS, LENGTH)
  attend = functools.partial(
    kernel_attention.attend_cudnn, implementation='xla'
  )
  got, expected = (
    heads_lib.outputs_and_gradients(attend, heads, sight)
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
def test_auto_takes_what_platform_and_model_allow(kind, change, chosen):
  config = dataclasses.replace(CONFIG, **change)
  got = multihead.resolve_attention(config, mesh_of(device('tpu', kind)))
  assert got == dataclasses.replace(config, attention=chosen)


def test_rows_are_taken_apart_where_one_cpu_scores_them():
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
      'adds no bias',
    ),
    (
      'gpu',
      {'attention': 'cudnn', 'compute_dtype': 'float32'},
      "compute_dtype='bfloat16', not 'float32'",
    ),
  ],
)
def test_a_kernel_that_does_not_run_here_is_refused(platform, change, message):
  config = dataclasses.replace(CONFIG, **change)
  with pytest.raises(ValueError, match=message):
    multihead.resolve_attention(config, mesh_of(device(platform, 'kind')))


def test_a_kernel_leaves_branches_to_the_blocks():
  heads = heads_lib.random_heads(LENGTH)
  sight = heads_lib.packed_sight(ROWS, LENGTH)
  sight = sight._replace(branches=jnp.zeros((2, LENGTH), jnp.int32))
  config = dataclasses.replace(CONFIG, attention='splash')
  heads_lib.assert_close(
    multihead.attend(config, *heads, sight),
    attention.attend_reference(*heads, sight),
    2e-5,
  )
