"""The last line of `generate`."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.common import figures
from benchmarks.common.comparison import Comparison, Runner
from flan_jax.vocabulary.base import Vocabulary

OWN, PEER = 'flan_jax', 'transformers'
# One of each cluster whose answers are free text: closed-book questions,
# structure to text, summarization.
DATASETS = ('natural_questions', 'e2e_nlg', 'samsum')


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
  prompts: Mapping[str, Sequence[Sequence[int]]],
) -> dict[str, Any]:
  """Returns the figures, `None` for what did not run."""
  datasets = {
    dataset: {
      **_figures(comparison, vocabulary, dataset),
      'prompts': len(of_dataset),
      'prompt_tokens': figures.spread(list(map(len, of_dataset))),
    }
    for dataset, of_dataset in prompts.items()
  }
  return {
    'ratio_to_transformers': {
      dataset: figures.median(found['ratio'])
      for dataset, found in datasets.items()
    },
    'ratio_by_cpu_time': {
      dataset: figures.median(found['ratio_by_cpu_time'])
      for dataset, found in datasets.items()
    },
    'datasets': datasets,
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
    'answer_tokens': figures.spread(list(map(len, found[0]))),
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
