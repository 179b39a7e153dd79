"""A small Hugging Face tokenizer."""

import pytest

from flan_jax.testing.tiny_models import write_tokenizer
from flan_jax.vocabulary.load import load_vocabulary


@pytest.fixture(scope='session')
def folder(tmp_path_factory):
  """Folder of the tokenizer, whose start token is not used."""
  path = tmp_path_factory.mktemp('tokenizer')
  write_tokenizer(path)
  return path


@pytest.fixture(scope='session')
def vocabulary(folder):
  return load_vocabulary(str(folder))
