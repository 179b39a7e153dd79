"""Options get the scores that an evaluation gives them."""

import concurrent.futures
import functools

import numpy as np

from flan_jax.evaluation.requests import requests
from flan_jax.evaluation.scoring import rank
from flan_jax.evaluation.scoring.rank import Scorer
from tests.evaluation.in_order import score
from tests.serving import tiny_server

_ROWS = 4
_TEMPLATES = 3


def _asked(rows):
  """Returns the evaluation's requests of some rows under some templates."""
  split = rows._parts['rte'].test
  found = requests(split, tiny_server.served().framing)
  return {
    (request.template, request.row_index): request
    for request in found
    if request.template < _TEMPLATES and request.row_index < _ROWS
  }


def _rank(client, model, key):
  template, row = key
  example = client.get(f'/examples/rte/{template}/{row}').json()
  response = client.post(
    '/rank',
    json={
      'model': model,
      'prompt': example['prompt'],
      'options': example['options'],
    },
  )
  assert response.status_code == 200, response.text
  return response.json()


def test_scores_are_those_of_an_evaluation(client, rows):
  served, asked = tiny_server.served(), _asked(rows)
  assert len(asked) > 6
  scorer = Scorer(served.config, served.mesh)
  for model in ('first', 'second'):
    expected = score(
      scorer,
      served.checkpoints[model],
      [request.example for request in asked.values()],
    )
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
      answers = list(pool.map(functools.partial(_rank, client, model), asked))
    for request, log_probs, answer in zip(
      asked.values(), expected, answers, strict=True
    ):
      scores = rank.option_scores(log_probs, request.ended)
      totals = [s.total for s in scores]
      found = answer['options']
      np.testing.assert_allclose([o['score'] for o in found], totals, rtol=1e-5)
      assert [o['tokens'] for o in found] == [s.tokens for s in scores]
      assert answer['best'] == rank.best(totals)
      probabilities = np.exp(totals) / np.exp(totals).sum()
      np.testing.assert_allclose(
        [o['probability'] for o in found], probabilities, rtol=1e-4
      )


def test_options_that_do_not_fit_into_a_row_are_scored_apart(client):
  options = [
    f'horse number {n} of the {"very " * 20}big herd' for n in range(9)
  ]
  whole = client.post('/rank', json={'prompt': 'x', 'options': options}).json()
  assert len(whole['options']) == 9
  for n in (0, 4, 8):
    alone = client.post(
      '/rank', json={'prompt': 'x', 'options': [options[n]]}
    ).json()
    np.testing.assert_allclose(
      whole['options'][n]['score'], alone['options'][0]['score'], rtol=1e-5
    )
