"""What cannot be trained on or evaluated is refused by name."""

from types import SimpleNamespace

import pytest

from flan_jax.batches.training_splits import training_splits
from flan_jax.cache import store as store_lib
from flan_jax.cache.framing import CacheConfig
from flan_jax.cache.storage import CacheError
from flan_jax.cache.store import CacheStore, split_key, split_keys
from flan_jax.definitions import registry
from flan_jax.definitions.names import resolve
from flan_jax.errors import ConfigError
from flan_jax.evaluation.eval_parts import eval_parts
from flan_jax.vocabulary.load import load_vocabulary

registry.load()


@pytest.fixture
def store(tmp_path) -> CacheStore:
  config = CacheConfig(str(tmp_path / 'cache'), str(tmp_path / 'tfds'))
  return CacheStore(config, load_vocabulary('mini'))


def test_a_part_without_the_split_is_refused(store):
  with pytest.raises(ConfigError, match='mnli has no test split'):
    eval_parts(store, resolve('mnli'))
  with pytest.raises(ConfigError, match='mnli_matched has no training split'):
    training_splits(store, resolve('mnli_matched'))


def test_a_missing_split_names_the_command(store):
  with pytest.raises(CacheError, match='flan-jax cache'):
    eval_parts(store, resolve('rte'))


def test_a_run_needs_the_splits_of_its_purpose():
  def splits(name: str, training: bool = True) -> list[str]:
    return [str(key) for key in split_keys([resolve(name), None], training)]

  assert splits('rte') == ['rte.train', 'rte.validation', 'rte.test']
  assert splits('rte', training=False) == ['rte.validation', 'rte.test']
  assert 'rte.test' not in splits('flan_all')
  assert 'rte.train' not in splits('flan_eval_nli')
  # Exemplars come from training rows, under every template.
  few = splits('rte.t0.2shot.plain', training=False)
  assert few == ['rte.validation.plain', 'rte.test.plain', 'rte.train.plain']


def test_validation_rows_that_nobody_scores_are_not_needed():
  plans = [resolve('flan_all'), resolve('rte.t3')]
  every = [str(key) for key in split_keys(plans)]
  needed = [str(key) for key in split_keys(plans, scored=False)]
  assert 'cb.validation' in every and 'cb.validation' not in needed
  # A task may be evaluated, and its template is chosen on validation rows.
  assert 'rte.validation' in needed


def test_one_split_may_be_asked_for_with_its_exemplars():
  def splits(name: str, only: str) -> list[str]:
    return [str(key) for key in split_keys([resolve(name)], only=only)]

  assert splits('rte', 'train') == ['rte.train']
  assert splits('rte.2shot', 'train') == ['rte.train']
  assert splits('rte.2shot', 'test') == ['rte.test', 'rte.train']
  assert 'rte.validation' not in splits('flan_all', 'train')


def test_a_copy_without_rows_may_be_left_out(store, monkeypatch):
  def find(key, *_):
    return SimpleNamespace(num_rows=len(key.part.name) - 2)

  monkeypatch.setattr(store_lib, 'find_cached_split', find)
  members = [*resolve('rte').members, *resolve('cb').members]
  assert store.available(members, 'train') == members
  store.allow_missing = True
  assert store.available(members, 'train') == members[:1]
  assert store.left_out == ['cb.train (no rows)']


def test_only_training_is_limited_to_the_templates_of_a_member():
  (member,) = resolve('rte.t3').members
  assert split_key(member, 'train').templates == (3,)
  assert split_key(member, 'test').templates is None
