"""The last line of `rank_eval`."""

from collections.abc import Sequence
from typing import Any

from benchmarks.rank_results import (
  HARNESS,
  OWN,
  PLAIN,
  SIDES,
  Results,
  accuracy,
  agreement,
  needed,
  ratio,
)
from benchmarks.train_results import quartiles


def summary(results: Results) -> dict[str, Any]:
  """Returns the figures, `None` for what did not run."""
  datasets = list(results.requests)
  each = {dataset: [dataset] for dataset in datasets}
  ratios = {
    side: {
      'together': ratio(results, side, datasets),
      'together_by_cpu_time': ratio(results, side, datasets, 'cpu_seconds'),
      **{name: ratio(results, side, of) for name, of in each.items()},
    }
    for side in (HARNESS, PLAIN)
  }
  allowed = {
    side: {
      'together': _allowed(results, side, datasets),
      **{name: _allowed(results, side, of) for name, of in each.items()},
    }
    for side in (HARNESS, PLAIN)
  }
  by_dataset = {
    side: {name: _median(ratios[side][name]) for name in datasets}
    for side in ratios
  }
  return {
    'ratio_to_harness': _median(ratios[HARNESS]['together']),
    'ratio_by_dataset': by_dataset[HARNESS],
    'ratio_to_plain': _median(ratios[PLAIN]['together']),
    'ratio_to_plain_by_dataset': by_dataset[PLAIN],
    'saved_tokens_allow': allowed[PLAIN]['together'],
    'saved_tokens_allow_by_dataset': {
      name: allowed[PLAIN][name] for name in datasets
    },
    'saved_tokens_allow_to_harness': allowed[HARNESS],
    'ratios': ratios,
    'agreement': {
      side: {name: _agreement(results, side, name) for name in datasets}
      for side in (HARNESS, PLAIN)
    },
    'sides': {side: _described(results, side) for side in SIDES},
    'datasets': {name: _counts(results, name) for name in datasets},
    'failed': {
      f'{side}/{size or ""}/{dataset}': why
      for ((side, size), dataset), why in results.failed.items()
    },
    'versions': {
      name: version
      for facts in results.facts.values()
      for name, version in facts['versions'].items()
    },
  }


def _allowed(results: Results, side: str, datasets: Sequence[str]) -> float:
  """How many times the tokens a side has to read."""
  tokens = [needed(results.requests[dataset]) for dataset in datasets]
  return round(sum(t[side] for t in tokens) / sum(t[OWN] for t in tokens), 3)


def _median(found: dict[str, float] | None) -> float | None:
  return found and found['median']


def _counts(results: Results, dataset: str) -> dict[str, int]:
  rows = results.requests[dataset]
  return {
    'prompts': len(rows),
    'options': sum(len(row['options']) for row in rows),
    'option_tokens': sum(len(o) for row in rows for o in row['options']),
    'prompt_tokens': sum(len(row['prompt']) for row in rows),
  }


def _agreement(
  results: Results, side: str, dataset: str
) -> dict[str, Any] | None:
  """Compares with this project's scorer."""
  found = [results.best(name, [dataset]) for name in (OWN, side)]
  if None in found:
    return None
  return agreement(
    *(results.facts[runner, dataset]['scores'] for runner in found)
  )


def _described(results: Results, side: str) -> dict[str, Any] | None:
  """Returns the figures of one side, None where it did not run."""
  described = {}
  for dataset, rows in results.requests.items():
    runner = results.best(side, [dataset])
    if runner is None:
      continue
    facts = results.facts[runner, dataset]
    options = sum(len(row['options']) for row in rows)
    taken = results.seconds(runner, [dataset])
    spent = results.seconds(runner, [dataset], 'cpu_seconds')
    described[dataset] = {
      'examples_per_second': quartiles([len(rows) / t for t in taken]),
      'options_per_second': quartiles([options / t for t in taken]),
      'options_per_cpu_second': quartiles([options / t for t in spent]),
      'accuracy': accuracy(facts['scores'], rows),
      'tokens': {'needed': needed(rows)[side], **facts['tokens']},
      'batch_size': runner[1],
      'settings': facts.get('settings'),
    }
  whole = results.best(side, list(results.requests))
  if whole is None:
    return described or None
  seconds = results.seconds(whole, list(results.requests))
  prompts = sum(map(len, results.requests.values()))
  described['together'] = {
    'examples_per_second': quartiles([prompts / t for t in seconds]),
    'batch_size': whole[1],
    'peak_mib': max(t.peak_mib for t in results.turns if t.side == side),
  }
  return described
