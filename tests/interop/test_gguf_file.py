"""A GGUF file is read like the Hugging Face folder it was made from."""

import numpy as np
import pytest

from flan_jax.interop import FAMILIES, InteropError, decoder_config, open_source
from tests.interop import gguf_files

pytest.importorskip('gguf')


@pytest.fixture
def convert(make_folder, open_model, tmp_path):
  """Returns a function that writes a model as a folder and as a GGUF file."""

  def convert(family='llama', settings=None, **about):
    source, _, config = open_model(make_folder(family, **(settings or {})))
    path = tmp_path / 'model.gguf'
    gguf_files.write(path, source, **about)
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
    ({'llama.rope.scaling.type': 'linear'}, "rope scaling 'linear'"),
    ({'llama.rope.dimension_count': 6}, r'partial_rotary_factor of 0\.5'),
    ({'llama.expert_count': 8}, 'mixture of experts'),
    ({'llama.attention.sliding_window': 32}, 'attention window'),
  ],
)
def test_unsupported_features_are_named(fields, named, convert):
  _, _, path = convert(fields=fields)
  with pytest.raises(InteropError, match=named):
    decoder_config(FAMILIES['llama'], open_source(str(path)).config)


def test_scaled_frequencies_in_a_tensor_are_refused(convert, monkeypatch):
  monkeypatch.setitem(gguf_files.NAMES, 'model.norm', 'rope_freqs')
  _, _, path = convert()
  with pytest.raises(InteropError, match="rope scaling 'llama3'"):
    decoder_config(FAMILIES['llama'], open_source(str(path)).config)


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
