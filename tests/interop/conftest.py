"""Small models in Hugging Face folders."""

import pathlib

import pytest

from flan_jax.interop import decoder_config, find_family, open_source
from flan_jax.testing import tiny_models
from tests.interop.tiny_config import CONFIG


@pytest.fixture
def make_folder(tmp_path):
  """Returns a function that writes a model and returns its folder."""

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
  """Returns a function: folder -> source, family, configuration."""

  def open_(folder):
    source = open_source(str(folder))
    family = find_family(source.config)
    return source, family, decoder_config(family, source.config)

  return open_
