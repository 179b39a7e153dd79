"""Small models in Hugging Face's form."""

import pathlib

import pytest

from flan_jax.interop import FAMILIES, decoder_config, open_source
from flan_jax.testing import tiny_models

# Grouped heads that do not fill the model's width.
CONFIG = {
  'vocab_size': 300,
  'hidden_size': 32,
  'intermediate_size': 48,
  'num_hidden_layers': 3,
  'num_attention_heads': 4,
  'num_key_value_heads': 2,
  'head_dim': 12,
  'rms_norm_eps': 1e-5,
  'max_position_embeddings': 64,
}


@pytest.fixture
def make_folder(tmp_path):
  """Writes a model and returns its folder."""

  def make(family='llama', name='model', **settings) -> pathlib.Path:
    folder = tmp_path / name
    folder.mkdir()
    dtype = settings.pop('dtype', 'bfloat16')
    shard_bytes = settings.pop('shard_bytes', 10**9)
    tiny_models.write_tokenizer(folder)
    config = {'model_type': family, **CONFIG, **settings}
    tiny_models.write_model(folder, config, shard_bytes, dtype)
    return folder

  return make


@pytest.fixture
def open_model():
  """Opens a folder: source, family and configuration."""

  def open_(folder):
    source = open_source(str(folder))
    family = FAMILIES[source.config['model_type']]
    return source, family, decoder_config(family, source.config)

  return open_
