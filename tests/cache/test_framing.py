"""A cache of a Hugging Face tokenizer: its texts, and what surrounds them."""

import pytest

from flan_jax.cache.framing import CacheConfig, Framing
from flan_jax.cache.writer import make_cached_splits
from flan_jax.definitions import registry
from flan_jax.testing.cached_splits import named_split
from flan_jax.testing.tiny_models import SPECIAL, write_tokenizer
from flan_jax.vocabulary.load import load_vocabulary


@pytest.fixture(scope='module')
def vocabulary(tmp_path_factory):
  folder = tmp_path_factory.mktemp('tokenizer')
  write_tokenizer(folder)
  return load_vocabulary(str(folder))


def test_every_vocabulary_caches_the_same_texts(
  vocabulary, mini_data, tmp_path
):
  registry.load()
  lengths = {'inputs': 4096, 'targets': 256}
  config = CacheConfig(str(tmp_path), mini_data, lengths=lengths)
  key = named_split('rte', 'train')

  def texts(vocabulary):
    (cached,) = make_cached_splits([key], config, vocabulary, lambda line: None)
    assert cached.manifest['vocabulary']['digest'] == vocabulary.digest
    return [
      [vocabulary.decode(span.tolist()) for span in cached.spans(rendering)]
      for rendering in cached.renderings
    ]

  assert texts(vocabulary) == texts(load_vocabulary('mini'))


def test_a_prompt_format_surrounds_the_input(vocabulary):
  user, end = SPECIAL[2], SPECIAL[1]
  config = CacheConfig(
    'cache', prompt_format=f'{user}Q {{input}}{end}\n', exemplar_separator='\n'
  )
  framing = Framing.of(config, vocabulary)
  assert framing.start == (2, *vocabulary.encode('Q '))
  assert framing.separator == (1, *vocabulary.encode('\n'))
  assert framing.prompt_overhead == len(framing.start) + len(framing.separator)
