"""Every cluster can be held out from training and evaluated.

All tests share one process, one compiled train step and one cache.
"""

import dataclasses
import json

from flan_jax.tasks import CLUSTERS
import jax
import numpy as np
import pytest
from scipy import stats

from flan_jax.batches.loader import BatchPlan, PackingConfig, global_batch
from flan_jax.batches.sampler import Sampler
from flan_jax.batches.training_splits import training_splits
from flan_jax.cache.framing import CacheConfig, Framing
from flan_jax.cache.store import CacheStore, split_keys
from flan_jax.cache.writer import make_cached_splits
from flan_jax.definitions import names, registry
from flan_jax.definitions.names import resolve
from flan_jax.evaluation import records
from flan_jax.evaluation.aggregation import part_results
from flan_jax.evaluation.eval_config import EvalConfig
from flan_jax.evaluation.eval_parts import eval_parts
from flan_jax.evaluation.evaluator import evaluate
from flan_jax.evaluation.generation.generator import Generator
from flan_jax.evaluation.models import Models, Session
from flan_jax.evaluation.predictions import Answer, references
from flan_jax.evaluation.scoring.rank import Scorer
from flan_jax.model import DecoderConfig
from flan_jax.sharding import MeshConfig, batch_sharding, make_mesh
from flan_jax.terminal.blocks import plain
from flan_jax.testing.cached_splits import named_split
from flan_jax.training.optimizer import OptimizerConfig, make_optimizer
from flan_jax.training.step import init_state, make_train_step
from flan_jax.vocabulary.load import load_vocabulary
from tests.golden.tokens import LENGTHS
from tests.shared_folders import locked

pytestmark = pytest.mark.slow

registry.load()

_CLUSTERS = sorted(CLUSTERS)
# Most tokens of a written answer.
_WRITTEN = 16
_PACKING = PackingConfig(batch_rows=4, pack_length=512, target_budget=512)
_MODEL = DecoderConfig(
  vocab_size=4096,
  num_layers=1,
  d_model=32,
  d_ff=64,
  num_heads=2,
  num_kv_heads=2,
  head_dim=16,
)


@pytest.fixture(scope='module')
def store(mini_data, shared_cache) -> CacheStore:
  config = CacheConfig(str(shared_cache), mini_data, LENGTHS)
  mixtures = ['flan_all', *(f'flan_eval_{cluster}' for cluster in _CLUSTERS)]
  keys = split_keys(map(resolve, mixtures))
  keys += [
    named_split('cb', split, None, 'plain') for split in ('train', 'validation')
  ]
  keys += [
    named_split('cb', split, None, 'named') for split in ('validation', 'test')
  ]
  vocabulary = load_vocabulary('mini')
  with locked(shared_cache):
    make_cached_splits(keys, config, vocabulary, log=lambda line: None)
  return CacheStore(config, vocabulary)


class _BriefGenerator(Generator):
  """Writes short answers, which take less time."""

  def answers(self, params, prompts, limits, stop):
    limits = [min(limit, _WRITTEN) for limit in limits]
    return super().answers(params, prompts, limits, stop)


class Trainer:
  """Trains and evaluates one state with programs compiled once."""

  def __init__(self):
    self.mesh = make_mesh(MeshConfig(), jax.devices()[:1])
    self.vocabulary = load_vocabulary('mini')
    self.framing = Framing.of(CacheConfig('cache'), self.vocabulary)
    optimizer = make_optimizer(OptimizerConfig(learning_rate=1e-3))
    self.step = make_train_step(_MODEL, optimizer, self.mesh)
    self.state = init_state(_MODEL, optimizer, 0, self.mesh)
    self.models = Models(
      _MODEL,
      Scorer(_MODEL, self.mesh),
      _BriefGenerator(_MODEL, self.mesh, self.vocabulary.end_ids),
      self.vocabulary,
      self.framing,
    )

  def train(self, splits, steps: int = 2) -> list[float]:
    plan = BatchPlan(Sampler(splits, self.framing, seed=0), _PACKING)
    losses = []
    for step in range(steps):
      batch = global_batch(plan, step, batch_sharding(self.mesh))
      with jax.set_mesh(self.mesh):
        self.state, metrics = self.step(self.state, batch)
      losses.append(float(metrics['loss']))
    return losses

  def evaluate(self, parts, max_rows=2):
    config = EvalConfig(max_rows)
    session = Session(self.models, self.state['params'])
    return evaluate(parts, session, config)


@pytest.fixture(scope='module')
def trainer() -> Trainer:
  return Trainer()


def _groups(part) -> int:
  return len({template.group for template in part.templates})


@pytest.mark.parametrize('cluster', _CLUSTERS)
def test_a_cluster_is_held_out_and_evaluated(cluster, store, trainer, tmp_path):
  losses = trainer.train(
    training_splits(store, resolve(f'flan_holdout_{cluster}'))
  )
  assert np.isfinite(losses).all()
  assert trainer.step._cache_size() == 1
  mixture = f'flan_eval_{cluster}'
  evaluation = trainer.evaluate(eval_parts(store, resolve(mixture)))
  parts = [member.part for member in names.resolve(mixture).members]
  assert len(evaluation.results) == sum(map(_groups, parts))
  table = plain(records.write(tmp_path, evaluation, {'mixture': mixture}))
  for part in parts:
    assert part.name in table
  for result in evaluation.results:
    assert result.mean >= 0 and result.rows == 2
    assert len(result.templates) >= 5
  written = (tmp_path / records.RECORDS).read_text().splitlines()
  assert len(written) == len(evaluation.records)
  assert json.loads((tmp_path / records.RESULTS).read_text())['summary']


def test_exemplars_train_and_are_evaluated(store, trainer):
  losses = trainer.train(
    training_splits(store, resolve('flan_holdout_coreference.fitshot'))
  )
  assert np.isfinite(losses).all() and trainer.step._cache_size() == 1
  evaluation = trainer.evaluate(
    eval_parts(store, resolve('flan_eval_coreference.3shot'))
  )
  results = {result.part: result for result in evaluation.results}
  # A part without training rows has no exemplars.
  assert results['wsc273'].mean is None
  assert 'no training rows' in results['wsc273'].null
  assert results['winogrande'].shots == 3
  shown = {
    record['shots']
    for record in evaluation.records
    if record['part'] == 'winogrande'
  }
  assert max(shown) >= 2  # A prompt may lack room for three.


def test_formats_without_instructions_train_and_are_evaluated(store, trainer):
  plain = training_splits(store, resolve('cb.plain'))
  assert np.isfinite(trainer.train(plain)).all()
  prompt = trainer.vocabulary.decode(plain[0].prompt(0, trainer.framing))
  assert 'Options:' not in prompt
  (result,) = trainer.evaluate(eval_parts(store, resolve('cb.named'))).results
  assert result.format == 'named' and len(result.templates) == 1


def _gold(split) -> list[Answer]:
  """Returns the reference answers of a split as predictions."""
  answers = []
  for record in split.renderings:
    row, template = split.rows[record['row']], int(record['template'])
    option = row['correct'][0] if 'correct' in row else None
    text = references(split, row, template)[0]
    answers.append(Answer(int(record['row']), template, option, text))
  return answers


@pytest.mark.parametrize('cluster', _CLUSTERS)
def test_reference_answers_get_the_best_scores(cluster, store):
  for part in eval_parts(store, resolve(f'flan_eval_{cluster}')):
    metrics = part.test.part.metrics
    for result in part_results(part, _gold(part.test)):
      for template in result.templates.values():
        for name in metrics:
          assert template[name] == pytest.approx(_ceiling(part.test, name))


def _ceiling(split, name: str) -> float:
  if name == 'word_edit_distance':
    return 0
  if name in ('pearson', 'spearman'):
    scores = np.array([row['score'] for row in split.rows])
    best = np.floor(scores + 0.5)
    correlation = {'pearson': stats.pearsonr, 'spearman': stats.spearmanr}
    return 100 * correlation[name](best, scores).statistic
  return 100


@pytest.mark.parametrize('cluster', _CLUSTERS)
def test_empty_answers_score_zero(cluster, store):
  for part in eval_parts(store, resolve(f'flan_eval_{cluster}')):
    if part.test.rows and 'correct' in part.test.rows[0]:
      continue
    empty = [dataclasses.replace(a, text='') for a in _gold(part.test)]
    for result in part_results(part, empty):
      for template in result.templates.values():
        for name in part.test.part.metrics:
          if name == 'word_edit_distance':
            assert template[name] > 1
          else:
            assert template[name] == pytest.approx(0, abs=1e-6)
