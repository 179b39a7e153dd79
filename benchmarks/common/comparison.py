"""Sides that take turns, and the ratios of their rates."""

from collections.abc import Mapping, Sequence
import os
import statistics
from typing import Any, NamedTuple

from benchmarks.common import figures
from benchmarks.common.side_process import SideError, SideProcess

# Facts that are too long to print.
_HIDDEN = ('answers', 'scores')


class Runner(NamedTuple):
  """A side, at one batch size if it is measured at several."""

  side: str
  batch_size: int | None = None

  def __str__(self) -> str:
    return '/'.join(str(part) for part in self if part is not None)


Sides = Mapping[str, SideProcess]


class Turn(NamedTuple):
  """One turn of a runner."""

  runner: Runner
  case: str  # What it worked on.
  round: int  # From 0.
  work: float  # What was done: tokens, or examples.
  # What `SideProcess.ask` returned, and the `load` average of the machine over
  # the last minute.
  cost: Mapping[str, float]


class Comparison:
  """Everything that was measured; ends if the side `required` fails."""

  def __init__(self, required: str | None = None):
    self._required = required
    # What a runner reported when it prepared a case.
    self.facts: dict[tuple[Runner, str], Mapping[str, Any]] = {}
    self.turns: list[Turn] = []
    # Why a runner has no turns, or no further ones, in a case.
    self.failed: dict[tuple[Runner, str], str] = {}

  def ask(
    self, sides: Sides, runner: Runner, case: str, do: str, **arguments
  ) -> dict[str, Any] | None:
    """Calls a method of a side; notes a failure and returns None."""
    if runner.batch_size is not None:
      arguments['batch_size'] = runner.batch_size
    try:
      return sides[runner.side].ask(do, case=case, **arguments)
    except SideError as error:
      if runner.side == self._required:
        raise
      self.failed[runner, case] = str(error)
      figures.print_line(failed=str(runner), case=case, why=str(error))
      return None

  def prepare(self, sides: Sides, runner: Runner, case: str) -> bool:
    """Has a side prepare a case and keeps the facts; returns whether it did."""
    facts = self.ask(sides, runner, case, 'prepare')
    if facts is None:
      return False
    self.facts[runner, case] = facts
    shown = {name: v for name, v in facts.items() if name not in _HIDDEN}
    figures.print_line(prepared=str(runner), case=case, **shown)
    return True

  def prepare_all(
    self, sides: Sides, case: str, peer: str, batch_sizes: Sequence[int]
  ) -> dict[int, float]:
    """Prepares all sides, the peer at several sizes; returns its seconds."""
    for side in sides:
      for size in batch_sizes if side == peer else (None,):
        self.prepare(sides, Runner(side, size), case)
    return {
      runner.batch_size: facts['seconds']
      for (runner, of), facts in self.facts.items()
      if (runner.side, of) == (peer, case)
    }

  def take_turns(
    self,
    sides: Sides,
    case: str,
    number: int,
    work: Mapping[Runner, float | None],
    **arguments,
  ) -> None:
    """Measures every runner once; another one begins in every round.

    Args:
      sides: Their processes.
      case: What the runners work on.
      number: Number of the round.
      work: Runner -> what it does in a turn; None if its answer says `work`.
      **arguments: Of the method `run` of each side.
    """
    runners = list(work)
    begin = number % max(len(runners), 1)
    for runner in runners[begin:] + runners[:begin]:
      if (runner, case) in self.failed:
        continue
      cost = self.ask(sides, runner, case, 'run', **arguments)
      if cost is None:
        continue
      cost['load'] = os.getloadavg()[0]
      turn = Turn(runner, case, number, cost.pop('work', work[runner]), cost)
      self.turns.append(turn)
      figures.print_line(
        turn={**runner._asdict(), 'case': case, 'round': number, **cost},
        work_per_second=float(f'{turn.work / cost["seconds"]:.4g}'),
      )

  def of(self, runner: Runner | None, case: str) -> list[Turn]:
    """Returns the turns of a runner, none if it has failed."""
    if (runner, case) in self.failed:
      return []
    return [t for t in self.turns if (t.runner, t.case) == (runner, case)]

  def rates(
    self, runner: Runner | None, cases: Sequence[str], by: str = 'seconds'
  ) -> list[float]:
    """Returns the work per second on all cases together, round by round.

    There are none if the runner has not finished one of the cases.
    """
    turns = [self.of(runner, case) for case in cases]
    return [
      sum(turn.work for turn in each) / sum(turn.cost[by] for turn in each)
      for each in zip(*turns, strict=False)
    ]

  def best(self, side: str, cases: Sequence[str]) -> Runner | None:
    """Returns a side at the batch size that is fastest on some cases."""
    medians = {
      runner: statistics.median(rates)
      for runner in dict.fromkeys(turn.runner for turn in self.turns)
      if runner.side == side and (rates := self.rates(runner, cases))
    }
    return max(medians, key=medians.get, default=None)

  def ratio(
    self, own: str, other: str, cases: Sequence[str], by: str = 'seconds'
  ) -> dict[str, float] | None:
    """Returns how many times faster one side was, None if one has failed.

    The ratio is taken round by round, each side at the batch size that is best
    on these cases together.
    """
    mine, theirs = (
      self.rates(self.best(side, cases), cases, by) for side in (own, other)
    )
    return figures.spread([a / b for a, b in zip(mine, theirs, strict=False)])

  def failures(self) -> dict[str, str]:
    """Returns why runners failed, by RUNNER/CASE."""
    return {f'{run}/{case}': why for (run, case), why in self.failed.items()}
