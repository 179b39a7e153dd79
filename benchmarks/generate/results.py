"""The last line of `generate`."""

from collections.abc import Sequence
from typing import Any

from benchmarks.common import figures
from benchmarks.common.comparison import Comparison, Runner
from flan_jax.vocabulary.base import Vocabulary

OWN, PEER = 'flan_jax', 'transformers'
# Answers have as many tokens as allowed; or the end token ends them.
CASES = EVEN, ENDED = 'even', 'ended'


def generated(comparison: Comparison, runner: Runner, case: str) -> int:
  """Returns the tokens of all answers of a runner."""
  return sum(map(len, comparison.facts[runner, case]['answers']))


def first_rates(comparison: Comparison, case: str) -> dict[int, float]:
  """Returns the tokens per second of the peer's first pass, by batch size."""
  return {
    runner.batch_size: round(
      generated(comparison, runner, case) / facts['seconds'], 1
    )
    for (runner, of), facts in comparison.facts.items()
    if (runner.side, of) == (PEER, case)
  }


def summary(
  comparison: Comparison,
  vocabulary: Vocabulary,
  prompts: Sequence[Sequence[int]],
) -> dict[str, Any]:
  """Returns the figures, `None` for what did not run."""
  cases = {case: _figures(comparison, vocabulary, case) for case in CASES}
  lengths = list(map(len, prompts))
  return {
    'ratio_to_transformers': figures.median(cases[EVEN]['ratio']),
    'ratio_to_transformers_ended': figures.median(cases[ENDED]['ratio']),
    'cases': cases,
    'prompts': len(prompts),
    'prompt_tokens': figures.spread(lengths),
    'versions': {
      runner.side: facts['versions']
      for (runner, _), facts in comparison.facts.items()
    },
  }


def _figures(
  comparison: Comparison, vocabulary: Vocabulary, case: str
) -> dict[str, Any]:
  best = {side: comparison.best(side, [case]) for side in (OWN, PEER)}
  best = {side: runner for side, runner in best.items() if runner}
  peer = best.get(PEER)
  found = [comparison.facts[each, case]['answers'] for each in best.values()]

  def rates(by: str) -> dict[str, Any]:
    return {
      side: figures.spread(comparison.rates(runner, [case], by))
      for side, runner in best.items()
    }

  return {
    'tokens_per_second': rates('seconds'),
    'tokens_per_cpu_second': rates('cpu_seconds'),
    'tokens': {s: generated(comparison, run, case) for s, run in best.items()},
    'ratio': comparison.ratio(OWN, PEER, [case]),
    'ratio_by_cpu_time': comparison.ratio(OWN, PEER, [case], 'cpu_seconds'),
    'agreement': agreement(vocabulary, *found) if peer else None,
    'transformers_by_batch_size': first_rates(comparison, case),
    'batch_size': peer and peer.batch_size,
  }


def agreement(
  vocabulary: Vocabulary,
  mine: Sequence[Sequence[int]],
  theirs: Sequence[Sequence[int]],
) -> dict[str, float]:
  """Returns the shares of equal texts, and of tokens before a difference."""
  pairs = list(zip(mine, theirs, strict=True))
  same = [vocabulary.decode(a) == vocabulary.decode(b) for a, b in pairs]
  before = [
    next(
      (n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y),
      min(len(a), len(b)),
    )
    for a, b in pairs
  ]
  return {
    'same_texts': round(sum(same) / len(pairs), 4),
    'same_tokens': round(sum(before) / sum(map(len, theirs)), 4),
  }
