"""Sides that take turns, and the ratios of their rates."""

from collections.abc import Mapping, Sequence
import os
import statistics
from typing import Any, NamedTuple

from benchmarks.common import figures
from benchmarks.common.side_process import SideError, SideProcess


class Runner(NamedTuple):
  """A side, at one batch size if it is measured at several."""

  side: str
  batch_size: int | None = None

  def __str__(self) -> str:
    return '/'.join(str(part) for part in self if part is not None)


class Turn(NamedTuple):
  """One turn of a runner.

  Attributes:
    runner: Who took it.
    case: What it worked on.
    round: Number of the round, from 0.
    work: What was done: tokens, or examples.
    cost: What `SideProcess.ask` returned, and the `load` average of the machine
      over the last minute.
  """

  runner: Runner
  case: str
  round: int
  work: float
  cost: Mapping[str, float]


class Comparison:
  """Everything that was measured.

  Attributes:
    facts: What a runner reported when it prepared a case.
    turns: In the order in which they were taken.
    failed: Why a runner has no turns, or no further ones, in a case.
  """

  def __init__(self, required: str | None = None):
    """Initializes a comparison that ends if the side `required` fails."""
    self._required = required
    self.facts: dict[tuple[Runner, str], Mapping[str, Any]] = {}
    self.turns: list[Turn] = []
    self.failed: dict[tuple[Runner, str], str] = {}

  def ask(
    self, side: SideProcess, runner: Runner, case: str, do: str, **arguments
  ) -> dict[str, Any] | None:
    """Calls a method of a side; notes a failure and returns None."""
    if runner.batch_size is not None:
      arguments['batch_size'] = runner.batch_size
    try:
      return side.ask(do, case=case, **arguments)
    except SideError as error:
      if runner.side == self._required:
        raise
      self.failed[runner, case] = str(error)
      figures.print_line(failed=str(runner), case=case, why=str(error))
      return None

  def prepare(
    self, side: SideProcess, runner: Runner, case: str, hidden: str = ''
  ) -> bool:
    """Has a side prepare a case; keeps the facts, and prints all but one."""
    facts = self.ask(side, runner, case, 'prepare')
    if facts is None:
      return False
    self.facts[runner, case] = facts
    shown = {name: value for name, value in facts.items() if name != hidden}
    figures.print_line(prepared=str(runner), case=case, **shown)
    return True

  def take_turns(
    self,
    sides: Mapping[str, SideProcess],
    case: str,
    number: int,
    work: Mapping[Runner, float | None],
    **arguments,
  ) -> None:
    """Measures every runner once; another one begins in every round.

    Args:
      sides: Processes by side.
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
      side = sides[runner.side]
      cost = self.ask(side, runner, case, 'run', **arguments)
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

    Args:
      runner: Who; None has no rates.
      cases: What it worked on.
      by: `seconds` or `cpu_seconds`.
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
