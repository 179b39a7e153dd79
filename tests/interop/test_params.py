"""Each tensor is used once, transposed correctly and sharded."""

import dataclasses

import jax
import numpy as np
import pytest

from flan_jax.interop import FAMILIES, InteropError, import_params
from flan_jax.interop.params import import_mesh
from flan_jax.model import abstract_params
from flan_jax.sharding import MeshConfig, make_mesh

_LAYER = 'model.layers.{}.'


class _Edited:
  """A source with some tensors replaced."""

  def __init__(self, source, **arrays):
    self.path, self.config = source.path, source.config
    self._source, self._arrays = source, arrays
    self.shapes = dict(source.shapes)
    self.shapes |= {name: array.shape for name, array in arrays.items()}
    self.largest = 0

  def without(self, name):
    del self.shapes[name]
    return self

  def read(self, name, index):
    values = (
      self._arrays[name][index]
      if name in self._arrays
      else self._source.read(name, index)
    )
    self.largest = max(self.largest, values.size)
    return values


def _one_device():
  return make_mesh(MeshConfig(1, 1, 1), jax.devices()[:1])


def _whole(source, name):
  index = tuple(slice(0, size) for size in source.shapes[name])
  return source.read(name, index).astype(np.float32)


@pytest.mark.parametrize('family', list(FAMILIES))
@pytest.mark.parametrize('tied', [False, True])
def test_all_parameters_have_shape_and_type(
  family, tied, make_folder, open_model
):
  folder = make_folder(family, tie_word_embeddings=tied)
  source, family, config = open_model(folder)
  params = import_params(source, family, config, _one_device())
  shapes = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), params)
  expected = abstract_params(config)
  assert shapes == jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), expected)


def test_projections_are_transposed_and_stacked(make_folder, open_model):
  source, family, config = open_model(make_folder())
  params = import_params(source, family, config, _one_device())
  for layer in range(config.num_layers):
    prefix = _LAYER.format(layer)
    for ours, theirs in (
      ('query', 'self_attn.q_proj'),
      ('output', 'self_attn.o_proj'),
      ('down', 'mlp.down_proj'),
    ):
      np.testing.assert_array_equal(
        params['layers'][ours][layer],
        _whole(source, f'{prefix}{theirs}.weight').T,
      )
    np.testing.assert_array_equal(
      params['layers']['feed_forward_norm'][layer],
      _whole(source, f'{prefix}post_attention_layernorm.weight'),
    )
  np.testing.assert_array_equal(
    params['embedding'], _whole(source, 'model.embed_tokens.weight')
  )
  np.testing.assert_array_equal(
    params['unembedding'], _whole(source, 'lm_head.weight').T
  )


def test_each_device_reads_its_shard(make_folder, open_model):
  source, family, config = open_model(make_folder('qwen2'))
  mesh = make_mesh(MeshConfig(data=2, fsdp=2, model=2))
  counted = _Edited(source)
  params = import_params(counted, family, config, mesh)
  wanted = abstract_params(config, mesh)
  for got, expected in zip(
    jax.tree.leaves(params), jax.tree.leaves(wanted), strict=True
  ):
    assert got.sharding.is_equivalent_to(expected.sharding, got.ndim)
  whole = import_params(source, family, config, _one_device())
  jax.tree.map(np.testing.assert_array_equal, params, whole)
  # No read is larger than a device's shard, a quarter of a tensor.
  assert (
    counted.largest
    == max(np.prod(shape) for shape in source.shapes.values()) // 4
  )


def test_bfloat16_is_read_exactly(make_folder, open_model):
  source, family, config = open_model(make_folder())
  half = import_params(source, family, config, _one_device(), 'bfloat16')
  full = import_params(source, family, config, _one_device())
  assert {leaf.dtype.name for leaf in jax.tree.leaves(half)} == {'bfloat16'}
  jax.tree.map(
    lambda a, b: np.testing.assert_array_equal(a.astype('float32'), b),
    half,
    full,
  )


def test_the_mesh_must_divide_the_width(open_model, make_folder):
  _, _, config = open_model(make_folder(hidden_size=12))
  assert import_mesh(config).shape['fsdp'] == 4


def _refuse(source, family, config, *named):
  with pytest.raises(InteropError) as refused:
    import_params(source, family, config, _one_device())
  for name in named:
    assert name in str(refused.value)
  assert str(refused.value).count(';') == len(named) - 1


def test_tensors_that_do_not_fit_are_listed(make_folder, open_model):
  source, family, config = open_model(make_folder())
  norm, up = 'model.norm.weight', _LAYER.format(2) + 'mlp.up_proj.weight'
  bias = _LAYER.format(0) + 'self_attn.q_proj.bias'
  extra = {bias: np.zeros(48), up: np.zeros((32, 48))}
  _refuse(
    _Edited(source, **extra).without(norm),
    family,
    config,
    f'{norm}: missing',
    f'{up}: shape (32, 48), expected (48, 32)',
    f'{bias}: unexpected in llama',
  )


def test_an_extra_layer_is_an_error(make_folder, open_model):
  source, family, config = open_model(make_folder())
  fewer = dataclasses.replace(config, num_layers=2)
  with pytest.raises(InteropError, match=r'states 2 layers.*tensors of 3'):
    import_params(source, family, fewer, _one_device())


def test_a_saved_output_table_must_equal_a_tied_embedding(
  make_folder, open_model
):
  folder = make_folder(tie_word_embeddings=True)
  source, family, config = open_model(folder)
  table = _whole(source, 'model.embed_tokens.weight')
  same = _Edited(source, **{'lm_head.weight': table})
  assert 'unembedding' not in import_params(same, family, config, _one_device())
  other = _Edited(source, **{'lm_head.weight': table + 1})
  _refuse(other, family, config, 'lm_head.weight: unexpected in llama')


def test_saved_frequencies_must_equal_ours(make_folder, open_model):
  source, family, config = open_model(make_folder())
  name = _LAYER.format(1) + 'self_attn.rotary_emb.inv_freq'
  ours = 10_000.0 ** (-np.arange(6) / 6)
  import_params(_Edited(source, **{name: ours}), family, config, _one_device())
  _refuse(
    _Edited(source, **{name: ours / 8}),
    family,
    config,
    f'{name}: not the frequencies of its configuration',
  )
