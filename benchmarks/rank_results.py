"""What the turns of `rank_eval` come to. Pure: neither JAX nor PyTorch."""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import statistics
from typing import Any

from benchmarks.train_results import quartiles

OWN, PLAIN, HARNESS = 'flan_jax', 'flan_jax_plain', 'lm_eval'
SIDES = (OWN, PLAIN, HARNESS)

# Each dataset with its parts, which share its rows.
DATASETS = {
  'hellaswag': ('hellaswag',),
  'arc': ('arc_easy', 'arc_challenge'),
  'piqa': ('piqa',),
  'anli': ('anli_r1', 'anli_r2', 'anli_r3'),
}

# Differences of a log-likelihood, in nats, that rounding may make.
_TIE = 1e-3
# A batch size that was so much slower than the best is not measured again.
_SLOWER = 1.15

# Prompts with options, by dataset; see `rank_requests.RequestMaker.make`.
Requests = Mapping[str, Sequence[Mapping[str, Any]]]
# A side and, for the harness, its batch size.
Runner = tuple[str, int | None]


@dataclasses.dataclass(frozen=True)
class Turn:
  """One turn of one side: all options of a dataset.

  Attributes:
    side: Its name.
    batch_size: Of the harness; None for the others.
    dataset: What was scored.
    round: Which turn.
    seconds: From tokenized requests to scores.
    cpu_seconds: Spent by all threads of the side's process.
    peak_mib: Resident memory of the process at its highest, until now.
    load: The machine's load average of the last minute.
  """

  side: str
  batch_size: int | None
  dataset: str
  round: int
  seconds: float
  cpu_seconds: float
  peak_mib: float
  load: float

  @property
  def runner(self) -> Runner:
    return self.side, self.batch_size


@dataclasses.dataclass
class Results:
  """All that was measured.

  Attributes:
    requests: What was scored.
    facts: What a side said of itself and a dataset before its turns.
    turns: In the order in which they were taken.
    failed: Why a side has no turns, or no more of them, on a dataset.
  """

  requests: Requests
  facts: dict[tuple[Runner, str], Mapping[str, Any]] = dataclasses.field(
    default_factory=dict
  )
  turns: list[Turn] = dataclasses.field(default_factory=list)
  failed: dict[tuple[Runner, str], str] = dataclasses.field(
    default_factory=dict
  )

  def seconds(
    self, runner: Runner, datasets: Iterable[str], by: str = 'seconds'
  ) -> list[float]:
    """Returns the time that some datasets took together, round by round.

    Args:
      runner: Whose.
      datasets: Summed over.
      by: `seconds` or `cpu_seconds`.

    Returns:
      Empty where a dataset was not scored.
    """
    found = [
      [
        getattr(turn, by)
        for turn in self.turns
        if (turn.runner, turn.dataset) == (runner, dataset)
        and (runner, dataset) not in self.failed
      ]
      for dataset in datasets
    ]
    return [sum(taken) for taken in zip(*found, strict=False)]

  def best(self, side: str, datasets: Iterable[str]) -> Runner | None:
    """Returns a side at the batch size that is fastest on some datasets."""
    medians = {}
    for runner in dict.fromkeys(turn.runner for turn in self.turns):
      taken = self.seconds(runner, datasets)
      if runner[0] == side and taken:
        medians[runner] = statistics.median(taken)
    return min(medians, key=medians.get, default=None)


def needed(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
  """Returns the tokens that each side has to read of some prompts.

  A prompt once with its options; once for each option; and, as the harness
  shares what stands before the last token, once for all options of one token.

  >>> needed([{'prompt': [1, 2, 3], 'options': [[4], [5], [6, 7]]}])
  {'flan_jax': 4, 'flan_jax_plain': 10, 'lm_eval': 7}
  """
  found = dict.fromkeys(SIDES, 0)
  before = set()
  for row in rows:
    prompt, options = row['prompt'], row['options']
    found[OWN] += len(prompt) + sum(len(option) - 1 for option in options)
    found[PLAIN] += sum(len(prompt) + len(option) - 1 for option in options)
    before |= {(*prompt, *option[:-1]) for option in options}
  found[HARNESS] = sum(map(len, before))
  return found


def agreement(
  mine: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]
) -> dict[str, Any]:
  """Compares the scores of two sides, row by row.

  >>> agreement([[-1, -2], [-1.0001, -1]], [[-1, -2], [-1, -1.0001]])
  {'rows': 2, 'alike': 1, 'ties': 1, 'largest_difference': 0.0001}

  Returns:
    `rows`; those that are `alike`, as both choose the same option; `ties`, not
    alike, but both sides give what the other chose no less than their own
    choice, up to rounding; and the largest difference of a score in nats.
  """
  alike = ties = 0
  largest = 0.0
  for one, other in zip(mine, theirs, strict=True):
    choices = [values.index(max(values)) for values in (one, other)]
    if choices[0] == choices[1]:
      alike += 1
    elif all(max(v) - min(v[c] for c in choices) <= _TIE for v in (one, other)):
      ties += 1
    for a, b in zip(one, other, strict=True):
      largest = max(largest, abs(a - b))
  return {
    'rows': len(mine),
    'alike': alike,
    'ties': ties,
    'largest_difference': float(f'{largest:.3g}'),
  }


def accuracy(
  scores: Sequence[Sequence[float]], rows: Sequence[Mapping[str, Any]]
) -> float:
  """Returns the share of rows whose best option is right."""
  right = [
    values.index(max(values)) in row['gold']
    for values, row in zip(scores, rows, strict=True)
  ]
  return round(sum(right) / len(right), 4)


def worth_measuring(
  seconds: Mapping[str, Mapping[int, float]],
) -> dict[str, list[int]]:
  """Returns the batch sizes that may turn out to be the best.

  >>> worth_measuring({'arc': {1: 9, 8: 4, 16: 4.4}, 'piqa': {1: 5, 16: 2}})
  {'arc': [8, 16], 'piqa': [16]}

  Args:
    seconds: Of one look, by dataset and batch size.

  Returns:
    By dataset, those near its best, and the one that is best on all.
  """
  everywhere = set.intersection(*(set(taken) for taken in seconds.values()))
  best = min(
    everywhere,
    key=lambda size: sum(taken[size] for taken in seconds.values()),
    default=None,
  )
  return {
    dataset: [
      size
      for size, value in taken.items()
      if size == best or value <= _SLOWER * min(taken.values())
    ]
    for dataset, taken in seconds.items()
  }


def ratio(
  results: Results, side: str, datasets: Sequence[str], by: str = 'seconds'
) -> dict[str, float] | None:
  """Returns how many times longer a side took than this project's scorer.

  Round by round, the harness at the batch size that is its best on these
  datasets together; None where one of the two has not run.
  """
  own, other = results.best(OWN, datasets), results.best(side, datasets)
  if own is None or other is None:
    return None
  pairs = zip(
    results.seconds(other, datasets, by),
    results.seconds(own, datasets, by),
    strict=False,
  )
  return quartiles([theirs / mine for theirs, mine in pairs])
