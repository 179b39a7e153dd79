"""lm-evaluation-harness gets from a checkpoint what this project computes."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from flan_jax.cache.cached_split import find_cached_split
from flan_jax.cache.framing import CacheConfig, Framing
from flan_jax.cache.writer import make_cached_splits
from flan_jax.definitions import registry
from flan_jax.errors import ConfigError
from flan_jax.evaluation.requests import requests
from flan_jax.evaluation.scoring.rank import Scorer, best, option_scores
from flan_jax.model import DecoderConfig, init_params
from flan_jax.runs import export_weights, import_weights
from flan_jax.sharding import MeshConfig, make_mesh
from flan_jax.testing import tiny_models
from flan_jax.testing.cached_splits import named_split
from flan_jax.training.checkpoint import Checkpointer
from flan_jax.vocabulary.load import MINI, load_vocabulary
from tests.golden.tokens import LENGTHS
from tests.interop.tiny_config import CONFIG
from tests.shared_folders import locked

lm_eval = pytest.importorskip('lm_eval')

_PAIRS = (
  ('The horse is', ' brown'),
  ('The horse is', ' a whale'),
  ('Two', ' reefs and one harbour.'),
  ('It ends in a space ', 'here'),
  ('', 'Nothing before'),
  ('beyond the room ' * 12, ' of a context'),
)
_MOST = 64
_RELATIVE = DecoderConfig(
  vocab_size=4096,
  num_layers=1,
  d_model=32,
  d_ff=64,
  num_heads=2,
  num_kv_heads=2,
  head_dim=16,
  position='relative_bias',
)


def _model(checkpoint, **settings):
  from flan_jax.interop.lm_eval import FlanJaxLM

  return FlanJaxLM(str(checkpoint), **settings)


def _instances(kind, arguments):
  from lm_eval.api.instance import Instance

  return [Instance(kind, {}, a, i) for i, a in enumerate(arguments)]


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
  """A small Llama as a checkpoint, and as a folder for `transformers`."""
  folder = tmp_path_factory.mktemp('models')
  source = folder / 'source'
  source.mkdir()
  size = tiny_models.write_tokenizer(source, adds_bos=True)
  # `transformers` would also generate ids that no token has.
  config = {'model_type': 'llama', **CONFIG, 'vocab_size': size}
  tiny_models.write_model(source, config)
  checkpoint, exported = folder / 'checkpoint', folder / 'exported'
  import_weights.main([f'--from={source}', f'--out={checkpoint}'])
  export_weights.main([f'--checkpoint={checkpoint}', f'--out={exported}'])
  return checkpoint, exported


@pytest.mark.slow
def test_answers_are_those_of_the_harness_with_transformers(folders):
  pytest.importorskip('torch')
  huggingface = pytest.importorskip('lm_eval.models.huggingface')
  checkpoint, exported = folders
  mine = _model(checkpoint, framed=False, max_length=_MOST)
  theirs = huggingface.HFLM(
    pretrained=str(exported), device='cpu', dtype='float32', max_length=_MOST
  )
  asked = _instances('loglikelihood', _PAIRS)
  found, expected = (model.loglikelihood(asked) for model in (mine, theirs))
  assert [greedy for _, greedy in found] == [greedy for _, greedy in expected]
  np.testing.assert_allclose(
    *([score for score, _ in scores] for scores in (found, expected)), rtol=1e-4
  )
  asked = _instances(
    'loglikelihood_rolling', [('A short one.',), ('A long one. ' * 30,)]
  )
  np.testing.assert_allclose(
    mine.loglikelihood_rolling(asked),
    theirs.loglikelihood_rolling(asked),
    rtol=1e-4,
  )
  options = {'until': ['e'], 'max_gen_toks': 8, 'do_sample': False}
  asked = _instances(
    'generate_until', [(context, options) for context, _ in _PAIRS[:3]]
  )
  assert mine.generate_until(asked) == theirs.generate_until(asked)


def test_an_option_that_is_not_known_is_named(folders):
  model = _model(folders[0])
  asked = _instances('generate_until', [('Say', {'num_beams': 4})])
  with pytest.raises(ConfigError, match="unknown option 'num_beams'"):
    model.generate_until(asked)
  with pytest.raises(ConfigError, match="unknown argument 'dtype'"):
    _model(folders[0], dtype='bfloat16')


@pytest.mark.slow
def test_a_task_of_the_harness_gives_the_accuracy_of_an_evaluation(
  tmp_path, rule_data, shared_cache
):
  registry.load(['flan_jax.testing.rule'])
  vocabulary = load_vocabulary(MINI)
  cache = CacheConfig(str(shared_cache), rule_data, LENGTHS)
  key = named_split('rule', 'test')
  with locked(shared_cache):
    make_cached_splits([key], cache, vocabulary, log=lambda line: None)
  split = find_cached_split(key, cache, vocabulary)
  queue = requests(split, Framing.of(cache, vocabulary), [7], max_rows=40)
  # `transformers` has no class for a relative position bias.
  mesh = make_mesh(MeshConfig(), jax.devices()[:1])
  params = init_params(_RELATIVE, 0, mesh)
  record = {
    'model': dataclasses.asdict(_RELATIVE),
    'vocabulary': vocabulary.record(),
  }
  Checkpointer.save_params(tmp_path / 'model', params, record)

  scorer = Scorer(_RELATIVE, mesh)
  examples = [request.example for request in queue]
  scored = dict(scorer.scored(params, examples))
  right = []
  for index, request in enumerate(queue):
    scores = option_scores(scored[index], request.ended)
    choice = best([score.without_end for score in scores])
    right.append(choice in request.row['correct'])

  docs = tmp_path / 'docs.jsonl'
  with open(docs, 'w') as lines:
    for request in queue:
      prompt = request.example.prompt[:-1]  # Without the separator.
      fields = {
        'prompt': vocabulary.decode(prompt),
        'options': list(split.part.choices.values()),
        'gold': request.row['correct'][0],
      }
      lines.write(json.dumps(fields) + '\n')
  task = {
    'task': 'rule',
    'dataset_path': 'json',
    'dataset_kwargs': {'data_files': str(docs)},
    'test_split': 'train',
    'output_type': 'multiple_choice',
    'doc_to_text': '{{prompt}}',
    'doc_to_choice': '{{options}}',
    'doc_to_target': 'gold',
  }
  found = lm_eval.simple_evaluate(
    _model(tmp_path / 'model'), tasks=[task], bootstrap_iters=0
  )
  assert 0 < np.mean(right) < 1
  assert found['results']['rule']['acc,none'] == np.mean(right)
