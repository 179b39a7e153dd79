"""A GGUF file is read like the Hugging Face folder it was made from."""

import dataclasses

import numpy as np
import pytest

from flan_jax.interop import (
  FAMILIES,
  InteropError,
  decoder_config,
  import_params,
  open_source,
)
from flan_jax.interop.params import import_mesh
from flan_jax.model import rope
from tests.interop import gguf_files

pytest.importorskip('gguf')


@pytest.fixture
def convert(make_folder, open_model, tmp_path):
  """Returns a function that writes a model as a folder and as a GGUF file."""

  def convert(family='llama', settings=None, factors=False, **about):
    source, _, config = open_model(make_folder(family, **(settings or {})))
    path = tmp_path / 'model.gguf'
    extra = {}
    if factors:
      plain = dataclasses.replace(config, rope_scaling='none', rope_factor=1.0)
      slowed = rope.frequencies(plain) / rope.frequencies(config)
      extra['rope_freqs.weight'] = slowed
    gguf_files.write(path, source, extra=extra, **about)
    return source, config, path

  return convert


def _whole(source, name):
  index = tuple(slice(0, size) for size in source.shapes[name])
  return np.asarray(source.read(name, index), np.float32)


@pytest.mark.parametrize('family', ['llama', 'qwen2', 'qwen3'])
@pytest.mark.parametrize('tied', [False, True])
def test_names_values_and_configuration_are_the_same(family, tied, convert):
  if family == 'qwen2':
    settings = {'head_dim': 8}
  else:
    settings = {}
  settings |= {'tie_word_embeddings': tied, 'rope_theta': 5e5}
  expected, config, path = convert(family, settings)
  source = open_source(str(path))
  assert source.shapes == expected.shapes
  for name in expected.shapes:
    np.testing.assert_array_equal(
      _whole(source, name), _whole(expected, name), err_msg=name
    )
  assert decoder_config(FAMILIES[family], source.config) == config


def test_slices_of_permuted_rows(convert):
  expected, _, path = convert()
  source = open_source(str(path))
  for name in ('q_proj', 'k_proj', 'v_proj'):
    name = f'model.layers.2.self_attn.{name}.weight'
    index = (slice(7, 15), slice(4, 29))
    np.testing.assert_array_equal(
      source.read(name, index), expected.read(name, index).astype(np.float32)
    )


@pytest.mark.parametrize('kind', ['F16', 'BF16', 'Q8_0'])
def test_other_types_are_read_as_float32(kind, convert):
  # Quantization uses blocks of 32.
  settings = {'head_dim': 16, 'intermediate_size': 64}
  expected, _, path = convert(settings=settings, quantization=kind)
  source = open_source(str(path))
  tolerance = {'F16': 1e-4, 'BF16': 0, 'Q8_0': 5e-3}[kind]
  for name in expected.shapes:
    values = _whole(source, name)
    assert values.dtype == np.float32
    np.testing.assert_allclose(
      values, _whole(expected, name), rtol=0, atol=tolerance
    )


def test_other_architectures_are_refused(convert):
  _, _, path = convert(arch='gemma3')
  with pytest.raises(InteropError, match='architecture "gemma3"'):
    open_source(str(path))


@pytest.mark.parametrize(
  ('fields', 'named'),
  [
    ({'llama.rope.scaling.type': 'longrope'}, "rope scaling 'longrope'"),
    ({'llama.rope.dimension_count': 6}, r'partial_rotary_factor of 0\.5'),
    ({'llama.expert_count': 8}, 'mixture of experts'),
  ],
)
def test_unsupported_features_are_named(fields, named, convert):
  _, _, path = convert(fields=fields)
  with pytest.raises(InteropError, match=named):
    decoder_config(FAMILIES['llama'], open_source(str(path)).config)


def test_a_window_is_read(convert):
  # That of Mistral, whose files are of this architecture.
  _, _, path = convert(fields={'llama.attention.sliding_window': 32})
  config = decoder_config(FAMILIES['llama'], open_source(str(path)).config)
  assert (config.window, config.global_every) == (32, None)


@pytest.mark.parametrize('kind', ['linear', 'yarn'])
def test_scaling_of_frequencies_is_read(kind, convert):
  fields = {
    'llama.rope.scaling.type': kind,
    'llama.rope.scaling.factor': 4.0,
    'llama.rope.scaling.original_context_length': 32,
  }
  _, _, path = convert(fields=fields)
  source = open_source(str(path))
  config = decoder_config(FAMILIES['llama'], source.config)
  assert (config.rope_scaling, config.rope_factor) == (kind, 4.0)
  if kind == 'yarn':
    assert config.rope_original_context == 32
    assert (config.rope_slow, config.rope_fast) == (1.0, 32.0)
    assert config.rope_magnitude == pytest.approx(1.1386, abs=1e-4)


@pytest.mark.parametrize('low', [1.0, 2.0])
def test_frequencies_in_a_tensor_are_those_of_llama_3(low, convert):
  settings = {
    'head_dim': 16,
    'rope_theta': 5e5,
    'rope_scaling': {
      'rope_type': 'llama3',
      'factor': 32.0,
      'low_freq_factor': low,
      'high_freq_factor': 4.0,
      'original_max_position_embeddings': 8192,
    },
  }
  _, config, path = convert(settings=settings, factors=True)
  source = open_source(str(path))
  family = FAMILIES['llama']
  if low == 1.0:
    assert decoder_config(family, source.config) == config
    import_params(source, family, config, import_mesh(config))
    return
  found = decoder_config(family, source.config)
  with pytest.raises(InteropError, match=r'rope_freqs\.weight: not the freq'):
    import_params(source, family, found, import_mesh(found))


def test_part_of_a_split_file_is_refused(convert):
  _, _, path = convert(fields={'split.count': 3})
  with pytest.raises(InteropError, match='merge them'):
    open_source(str(path))


def test_float32_metadata_is_read_as_short_decimals(convert):
  _, _, path = convert()
  assert open_source(str(path)).config['rms_norm_eps'] == 1e-5


def test_a_damaged_file_is_named(tmp_path):
  path = tmp_path / 'model.gguf'
  path.write_bytes(b'GGUF' + bytes(20))
  with pytest.raises(InteropError, match=r'model\.gguf is not a whole GGUF'):
    open_source(str(path))
