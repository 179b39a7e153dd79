"""What turns, scores and tokens add up to."""

import pytest

from benchmarks.common.comparison import Comparison, Runner, Turn
from benchmarks.rank_eval import results
from benchmarks.rank_eval.results import HARNESS, OWN, PLAIN

_ROWS = [
  {
    'prompt': [5, 6, 7],
    'options': [[8], [9], [10, 11]],
    'gold': [0],
    'shots': 1,
  },
  {'prompt': [5, 6], 'options': [[8, 9], [9, 9, 9]], 'gold': [1], 'shots': 0},
]
_REQUESTS = {'arc': _ROWS, 'piqa': _ROWS}
# Seconds of each turn.
_SECONDS = {
  (Runner(OWN), 'arc'): [1, 2, 1],
  (Runner(OWN), 'piqa'): [1, 2, 1],
  (Runner(HARNESS, 1), 'arc'): [4, 8, 4],
  (Runner(HARNESS, 8), 'arc'): [3, 6, 3],
  (Runner(HARNESS, 1), 'piqa'): [2, 4, 2],
  (Runner(HARNESS, 8), 'piqa'): [5, 10, 5],
}


@pytest.fixture
def comparison():
  comparison = Comparison()
  for (runner, dataset), seconds in _SECONDS.items():
    comparison.facts[runner, dataset] = {
      'scores': [[-1, -2, -3], [-2, -1]],
      'tokens': {'computed': 20},
      'versions': {'jax': '0'},
    }
    for number, taken in enumerate(seconds):
      cost = {'seconds': taken, 'cpu_seconds': 2 * taken, 'peak_mib': 10}
      comparison.turns.append(Turn(runner, dataset, number, len(_ROWS), cost))
  return comparison


def test_the_harness_is_taken_at_its_best(comparison):
  summary = results.summary(comparison, _REQUESTS)
  # Each dataset has another best batch size; for both it is 6 over 2.
  assert summary['ratio_by_dataset'] == {'arc': 3, 'piqa': 2}
  assert summary['ratio_to_harness'] == 3
  assert summary['sides'][HARNESS]['together']['batch_size'] == 1
  assert summary['ratio_to_plain'] is None
  assert summary['sides'][PLAIN] is None
  assert summary['sides'][OWN]['arc']['examples_per_second']['median'] == 2
  assert summary['saved_tokens_allow'] == pytest.approx(17 / 9, abs=1e-3)
  assert summary['agreement'][HARNESS]['arc']['alike'] == 2
  assert summary['exemplars'] == {'arc': 0.5, 'piqa': 0.5}
  # Nine of twenty positions are needed, and all have logits.
  tokens = summary['sides'][OWN]['arc']['tokens']
  assert (tokens['fill'], tokens['padding']) == (0.45, 0.55)


def test_a_side_that_fails_midway_has_no_figures(comparison):
  for size in (1, 8):
    comparison.failed[Runner(HARNESS, size), 'piqa'] = 'out of memory'
  summary = results.summary(comparison, _REQUESTS)
  assert summary['ratio_by_dataset'] == {'arc': 3, 'piqa': None}
  assert summary['ratio_to_harness'] is None
  assert summary['failed'][f'{HARNESS}/8/piqa'] == 'out of memory'


def test_the_harness_reads_once_what_precedes_the_last_token():
  # The second prompt with its option equals the first with another one.
  rows = [
    {'prompt': [1, 2], 'options': [[3], [4], [3, 5]]},
    {'prompt': [1], 'options': [[2, 9]]},
  ]
  assert results.needed(rows) == {OWN: 5, PLAIN: 9, HARNESS: 5}


def test_what_many_prompts_begin_with_is_needed_once():
  rows = [{'prompt': [*range(40), n], 'options': [[3]]} for n in range(50)]
  assert results.needed(rows)[OWN] == 40 + 50
  assert results.needed(rows)[PLAIN] == 41 * 50


def test_ties_are_told_from_differences():
  close, apart = [-1.0, -1.0002], [-1.0, -1.5]
  assert results.agreement([close], [close[::-1]])['ties'] == 1
  found = results.agreement([apart, apart], [apart[::-1], apart])
  assert (found['alike'], found['ties']) == (1, 0)
  assert found['largest_difference'] == 0.5
  long = results.agreement([[-100.0]], [[-101.0]])
  assert long['largest_relative_difference'] == 0.01


def test_only_batch_sizes_that_may_be_the_best_are_measured_again():
  seconds = {'arc': {1: 9.0, 8: 4.0, 16: 5.0}, 'piqa': {1: 9.0, 16: 2.0}}
  assert results.worth_measuring(seconds) == {'arc': [8, 16], 'piqa': [16]}
  assert results.worth_measuring({'arc': {}}) == {'arc': []}
