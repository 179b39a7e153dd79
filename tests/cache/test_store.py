"""What cannot be trained on or evaluated is refused by name."""

import pytest

from flan_jax.batches.training_splits import training_splits
from flan_jax.cache.framing import CacheConfig
from flan_jax.cache.storage import CacheError
from flan_jax.cache.store import CacheStore
from flan_jax.definitions import registry
from flan_jax.errors import ConfigError
from flan_jax.evaluation.eval_parts import eval_parts
from flan_jax.vocabulary.load import load_vocabulary

registry.load()


@pytest.fixture
def store(tmp_path) -> CacheStore:
  config = CacheConfig(str(tmp_path / 'cache'), str(tmp_path / 'tfds'))
  return CacheStore(config, load_vocabulary('mini'))


def test_a_part_without_the_role_is_refused(store):
  with pytest.raises(ConfigError, match='mnli has no test split'):
    eval_parts(store, 'mnli')
  with pytest.raises(ConfigError, match='mnli_matched has no training split'):
    training_splits(store, 'mnli_matched')


def test_a_missing_unit_names_the_command(store):
  with pytest.raises(CacheError, match='flan-jax cache'):
    eval_parts(store, 'rte')
