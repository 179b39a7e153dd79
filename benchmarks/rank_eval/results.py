"""The last line of `rank_eval`."""

from collections.abc import Mapping, Sequence
import statistics
from typing import Any

from benchmarks.common import figures
from benchmarks.common.comparison import Comparison
from flan_jax.batches.packing import Example
from flan_jax.evaluation.scoring import trunks

SIDES = OWN, PLAIN, HARNESS = 'flan_jax', 'flan_jax_plain', 'lm_eval'

# Difference of a log-likelihood, in nats, that rounding can cause.
_TIE = 1e-3
# A batch size this many times slower than the best is not measured again.
_SLOWER = 1.15

# Prompts with options, by dataset; see `requests.RequestMaker.make`.
Rows = Sequence[Mapping[str, Any]]
Requests = Mapping[str, Rows]


def summary(comparison: Comparison, requests: Requests) -> dict[str, Any]:
  """Returns the figures, `None` for what did not run."""
  datasets = list(requests)
  groups = {'together': datasets, **{name: [name] for name in datasets}}
  ratios, allowed, agreed, medians = {}, {}, {}, {}
  for side in (HARNESS, PLAIN):
    found = {
      name: comparison.ratio(OWN, side, of) for name, of in groups.items()
    }
    medians[side] = {name: figures.median(each) for name, each in found.items()}
    by_cpu_time = comparison.ratio(OWN, side, datasets, 'cpu_seconds')
    ratios[side] = {**found, 'together_by_cpu_time': by_cpu_time}
    allowed[side] = {}
    for name, of in groups.items():
      tokens = [needed(requests[dataset]) for dataset in of]
      theirs, mine = (sum(each[s] for each in tokens) for s in (side, OWN))
      allowed[side][name] = round(theirs / mine, 3)
    agreed[side] = {of: _agreement(comparison, side, of) for of in datasets}
  together = {side: found.pop('together') for side, found in medians.items()}
  return {
    'ratio_to_harness': together[HARNESS],
    'ratio_by_dataset': medians[HARNESS],
    'ratio_to_plain': together[PLAIN],
    'ratio_to_plain_by_dataset': medians[PLAIN],
    'saved_tokens_allow': allowed[PLAIN].pop('together'),
    'saved_tokens_allow_by_dataset': allowed[PLAIN],
    'saved_tokens_allow_to_harness': allowed[HARNESS],
    'ratios': ratios,
    'agreement': agreed,
    'exemplars': {
      name: round(statistics.mean(row['shots'] for row in rows), 2)
      for name, rows in requests.items()
    },
    'sides': {side: _described(comparison, requests, side) for side in SIDES},
    'failed': comparison.failures(),
    'versions': {
      name: version
      for facts in comparison.facts.values()
      for name, version in facts['versions'].items()
    },
  }


def _agreement(
  comparison: Comparison, side: str, dataset: str
) -> dict[str, Any] | None:
  """Compares a side with this project's scorer."""
  runners = [comparison.best(name, [dataset]) for name in (OWN, side)]
  if None in runners:
    return None
  mine, theirs = (comparison.facts[each, dataset] for each in runners)
  return agreement(mine['scores'], theirs['scores'])


def _described(
  comparison: Comparison, requests: Requests, side: str
) -> dict[str, Any] | None:
  """Returns the figures of one side, None if it did not run."""
  described = {}
  for dataset, rows in requests.items():
    runner = comparison.best(side, [dataset])
    if runner is None:
      continue
    facts = comparison.facts[runner, dataset]
    rates, cpu_rates = (
      comparison.rates(runner, [dataset], by)
      for by in ('seconds', 'cpu_seconds')
    )
    described[dataset] = {
      'examples_per_second': figures.spread(rates),
      'examples_per_cpu_second': figures.spread(cpu_rates),
      'tokens': shares({'needed': needed(rows)[side], **facts['tokens']}),
      'batch_size': runner.batch_size,
      'settings': facts.get('settings'),
    }
  whole = comparison.best(side, list(requests))
  if whole is not None:
    turns = [turn for turn in comparison.turns if turn.runner.side == side]
    rates = comparison.rates(whole, list(requests))
    described['together'] = {
      'examples_per_second': figures.spread(rates),
      'batch_size': whole.batch_size,
      'peak_mib': max(turn.cost['peak_mib'] for turn in turns),
    }
  return described or None


def shares(tokens: Mapping[str, int]) -> dict[str, Any]:
  """Adds the shares of computed positions that are needed, and have logits."""
  computed = tokens['computed']
  return {
    **tokens,
    'fill': round(tokens['needed'] / computed, 3),
    'padding': round(1 - tokens['needed'] / computed, 3),
    'logits_share': round(tokens.get('logits', computed) / computed, 3),
  }


def needed(rows: Rows) -> dict[str, int]:
  """Returns the tokens that each side has to read of some prompts.

  `flan_jax` reads a prompt once with all its options, and once what many
  prompts, or all options of a prompt, begin with; `flan_jax_plain` reads a
  prompt once for each option. The harness reads what precedes the last token
  once, and so reads a prompt once for all options of a single token.
  """
  tokens = dict.fromkeys(SIDES, 0)
  before = set()
  for one in trunks.shared([row['prompt'] for row in rows]):
    tokens[OWN] -= one.length * (len(one.members) - 1)
  for row in rows:
    prompt, options = row['prompt'], row['options']
    tokens[OWN] += Example(prompt, tuple(options)).joined().length
    tokens[PLAIN] += sum(len(prompt) + len(option) - 1 for option in options)
    before |= {(*prompt, *option[:-1]) for option in options}
  tokens[HARNESS] = sum(map(len, before))
  return tokens


def agreement(
  mine: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]
) -> dict[str, Any]:
  """Compares the scores of two sides, row by row.

  Returns:
    `rows`; `alike`, the rows where both choose the same option; `ties`, those
    where the choices differ, but each side scores both choices the same up to
    rounding; and the largest difference of a score, in nats and relative to
    the score where that is above 1.
  """
  alike = ties = 0
  largest = relative = 0.0
  for one, other in zip(mine, theirs, strict=True):
    choices = [values.index(max(values)) for values in (one, other)]
    if choices[0] == choices[1]:
      alike += 1
    elif all(max(v) - min(v[c] for c in choices) <= _TIE for v in (one, other)):
      ties += 1
    for a, b in zip(one, other, strict=True):
      largest = max(largest, abs(a - b))
      relative = max(relative, abs(a - b) / max(1, abs(a)))
  return {
    'rows': len(mine),
    'alike': alike,
    'ties': ties,
    'largest_difference': float(f'{largest:.3g}'),
    'largest_relative_difference': float(f'{relative:.3g}'),
  }


def worth_measuring(
  seconds: Mapping[str, Mapping[int, float]],
) -> dict[str, list[int]]:
  """Returns the batch sizes that can turn out to be the best.

  For each dataset, they are the sizes near its best, and the best size for all.

  Args:
    seconds: Time of one pass, by dataset and batch size.
  """
  totals = {
    size: sum(taken[size] for taken in seconds.values())
    for size in set.intersection(*map(set, seconds.values()))
  }
  best = min(totals, key=totals.get, default=None)
  return {
    dataset: [
      size
      for size, value in taken.items()
      if size == best or value <= _SLOWER * min(taken.values())
    ]
    for dataset, taken in seconds.items()
  }
