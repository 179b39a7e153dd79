"""What decides a run or an evaluation is in its digest, and nothing else is."""

import dataclasses
import pathlib

import gin
import pytest

from flan_jax import config as config_lib
from flan_jax.cache.framing import CacheConfig
from flan_jax.cache.store import CacheStore, split_keys
from flan_jax.cache.writer import make_cached_splits
from flan_jax.definitions import names, registry
from flan_jax.flags import Arguments
from flan_jax.runs.study_cell import study_cell
from flan_jax.studies.cell_digest import Decides, data_of, decided, members_of
from flan_jax.vocabulary.load import load_vocabulary
from tests.shared_folders import locked

registry.load(['flan_jax.testing.rule'])

_FILES = ('runs/study.gin', 'experiments/sizes/smoke.gin')
_GIVEN = ("MIXTURE_OR_TASK_NAME = 'rte'", "MODEL_DIR = 'model'")
_LENGTHS = {'inputs': 128, 'targets': 16}


def _settings_digest(*bindings):
  gin.clear_config()
  try:
    config_lib.parse(Arguments(_FILES, (*_GIVEN, *bindings)), 'study_cell')
    return Decides(decided(study_cell()), {}).settings_digest
  finally:
    gin.clear_config()


@pytest.fixture(scope='module')
def as_shipped():
  return _settings_digest()


@pytest.mark.parametrize(
  'binding',
  [
    'LEARNING_RATE = 0.5',
    'WARMUP_STEPS = 1',
    "FROZEN = ('embedding',)",
    'OptimizerConfig.weight_decay = 0.1',
    'TRAIN_STEPS = 4',
    'MICROBATCHES = 2',
    'Z_LOSS = 0.1',
    'SEED = 1',
    'PERMUTE_TARGETS = True',
    'BATCH_ROWS = 8',
    'PACK_LENGTH = 1024',
    'TARGET_BUDGET = 300',
    "TASK_FEATURE_LENGTHS = {'inputs': 200, 'targets': 16}",
    "PROMPT_FORMAT = 'Q: {input} A:'",
    "EXEMPLAR_SEPARATOR = ' '",
    'DecoderConfig.num_layers = 3',
    'DROPOUT_RATE = 0.1',
    "MIXTURE_OR_TASK_NAME = 'cb'",
    'ALLOW_MISSING = True',
  ],
)
def test_a_setting_that_decides_results_changes_the_digest(as_shipped, binding):
  assert _settings_digest(binding) != as_shipped


@pytest.mark.parametrize(
  'binding',
  [
    "CACHE_DIR = 'elsewhere'",
    "DATA_DIR = 'elsewhere'",
    "MODEL_DIR = 'elsewhere'",
    "COMPILATION_CACHE_DIR = 'elsewhere'",
    'CHECKPOINT_PERIOD = 1',
    'KEEP_CHECKPOINTS = 9',
    'EVAL_PERIOD = 2',
    'EVAL_ROWS = 7',
    'TOKENS_PER_EVAL_BATCH = 1024',
    'MESH_MODEL = 2',
    'MAX_EVAL_ROWS = 9',  # Of the evaluation, which has a digest of its own.
    "HARDWARE = 'v4:4x4x4'",
    # The name of a vocabulary or checkpoint: their contents decide instead.
    "VOCABULARY = 'elsewhere'",
    "INITIAL_CHECKPOINT_PATH = 'elsewhere'",
  ],
)
def test_where_and_how_fast_does_not_change_the_digest(as_shipped, binding):
  assert _settings_digest(binding) == as_shipped


@pytest.mark.parametrize(
  'binding',
  ['MAX_EVAL_ROWS = 9', "STOP = ('.',)", 'WRITE_OPTIONS = True'],
)
def test_what_is_asked_decides_an_evaluation(binding):
  def digest(*bindings):
    gin.clear_config()
    config_lib.parse(Arguments(_FILES, (*_GIVEN, *bindings)), 'study_cell')
    found = decided(study_cell().evaluation.eval_config)
    gin.clear_config()
    return Decides(found, {}).settings_digest

  assert digest(binding) != digest()
  # What is shown of the answers is not asked.
  assert digest('EVAL_EXAMPLES = 1') == digest()


@pytest.mark.parametrize(
  'other',
  [
    'flan_clusters_2',  # more members
    'flan_tasks_1_templates_4',  # fewer members
    'flan_clusters_1.plain',
    'flan_clusters_1.2shot',
  ],
)
def test_members_of_a_mixture_differ(other):
  first, second = (
    members_of(names.resolve(name)) for name in ('flan_clusters_1', other)
  )
  assert Decides({'mixture': first}, {}).digest != (
    Decides({'mixture': second}, {}).digest
  )


def test_members_of_a_mixture_state_their_templates():
  one, four = (
    members_of(names.resolve(f'flan_tasks_1_templates_{count}'))
    for count in (1, 4)
  )
  assert [member[0] for member in one] == [member[0] for member in four]
  assert one != four


def test_data_and_settings_both_decide_a_digest():
  digests = {
    Decides(settings, data).digest
    for settings in ({'steps': 1}, {'steps': 2})
    for data in ({'rte': 'a'}, {'rte': 'b'}, {'rte': None}, {'cb': 'a'})
  }
  assert len(digests) == 8


def test_unknown_data_has_no_digest():
  decides = Decides({'steps': 1}, None)
  assert decides.settings_digest == Decides({'steps': 1}, {}).settings_digest
  with pytest.raises(ValueError, match='not known'):
    _ = decides.digest


@pytest.fixture(scope='module')
def vocabulary():
  return load_vocabulary('mini')


@pytest.fixture
def store(shared_cache, rule_data, vocabulary):
  """Opens a store in which the splits of `rule_eval` are cached."""
  config = CacheConfig(str(shared_cache), rule_data, _LENGTHS)
  keys = split_keys([names.resolve('rule_eval')], training=False)
  with locked(shared_cache / 'rule'):
    make_cached_splits(keys, config, vocabulary)
  return CacheStore(config, vocabulary)


def _data(name, store):
  return data_of(split_keys([names.resolve(name)], training=False), store)


def test_data_is_the_digest_of_each_split(store):
  found = _data('rule_eval', store)
  assert set(found) == {'rule.test', 'rule.validation'}
  assert all(found.values()) and len(set(found.values())) == 2


def test_data_is_unknown_if_a_split_is_not_cached(store, tmp_path, vocabulary):
  config = CacheConfig(str(tmp_path), store.config.data_dir, _LENGTHS)
  empty = CacheStore(config, vocabulary)
  assert _data('rule_eval', empty) is None
  # What may be left out is known to be left out.
  empty.allow_missing = True
  assert set(_data('rule_eval', empty).values()) == {None}


@pytest.mark.slow
def test_other_rows_are_other_data(store, shuffled_rule_data, vocabulary):
  config = dataclasses.replace(store.config, data_dir=shuffled_rule_data)
  keys = split_keys([names.resolve('rule_eval')], training=False)
  with locked(pathlib.Path(config.cache_dir, 'rule')):
    make_cached_splits(keys, config, vocabulary)
  shuffled = _data('rule_eval', CacheStore(config, vocabulary))
  ordinary = _data('rule_eval', store)
  assert all(shuffled[split] != ordinary[split] for split in ordinary)
