"""What is counted is what has to be read."""

import pytest

from benchmarks.rank_eval import own, results
from benchmarks.rank_eval.results import OWN, PLAIN
from flan_jax.batches.packing import Example
from flan_jax.evaluation.scoring import rank
from flan_jax.model import DecoderConfig, init_params
from flan_jax.sharding import MeshConfig, make_mesh
from tests.evaluation.in_order import score

_ROWS = [
  {'prompt': [5, 6, 7], 'options': [[8], [9], [10, 11]]},
  {'prompt': [5, 6], 'options': [[8, 9], [9, 9, 9]]},
]


@pytest.mark.slow
@pytest.mark.parametrize(
  ('side', 'make'), [(OWN, rank.Scorer), (PLAIN, own.PlainScorer)]
)
def test_the_tokens_of_batches_are_those_that_are_needed(side, make):
  config = DecoderConfig(
    vocab_size=50,
    num_layers=1,
    d_model=8,
    d_ff=16,
    num_heads=2,
    num_kv_heads=2,
    head_dim=4,
  )
  mesh = make_mesh(MeshConfig())
  examples = [Example(row['prompt'], tuple(row['options'])) for row in _ROWS]
  scorer = make(config, mesh, 512)
  with own.counted() as tokens:
    score(scorer, init_params(config, 0, mesh), examples)
  assert tokens['needed'] == results.needed(_ROWS)[side]
  assert tokens['computed'] > tokens['needed']
  assert tokens['batches'] >= 1
  assert tokens['logits'] >= 9
