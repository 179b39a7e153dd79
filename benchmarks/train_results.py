"""What the turns of `train_step` come to."""

from collections.abc import Iterator, Mapping, Sequence
import contextlib
import dataclasses
import statistics
from typing import Any

from benchmarks import measuring
from benchmarks.train_shapes import CASES, Shape
from benchmarks.train_sides import (
  JAX_PEERS,
  OWN,
  OWN_LLAMA,
  TORCH,
  SideError,
)

# Of what a side says of itself: told once.
_OF_A_SIDE = ('parameters', 'device', 'versions', 'threads', 'settings')


@dataclasses.dataclass(frozen=True)
class Turn:
  """One turn of one side.

  Attributes:
    side: Its name.
    case: What it trained.
    round: Which turn.
    seconds: Of one step.
    cpu_seconds: Of one step, by all threads of the side's process: other work
      on the machine disturbs it less.
    peak_mib: Resident memory of the process at its highest, until now.
    device_mib: Of an accelerator, likewise; None on a CPU.
    load: The machine's load average of the last minute.
  """

  side: str
  case: str
  round: int
  seconds: float
  cpu_seconds: float
  peak_mib: float
  device_mib: float | None
  load: float


@dataclasses.dataclass
class Results:
  """All that was measured at one shape.

  Attributes:
    shape: Of model and batch.
    facts: What a side said of itself when it prepared a case.
    turns: In the order in which they were taken.
    matmul: Best rate of large matrix products, in FLOP/s, by case and round.
    failed: Why a side has no turns, or no more of them, in a case.
  """

  shape: Shape
  facts: dict[tuple[str, str], Mapping[str, Any]] = dataclasses.field(
    default_factory=dict
  )
  turns: list[Turn] = dataclasses.field(default_factory=list)
  matmul: dict[tuple[str, int], float] = dataclasses.field(default_factory=dict)
  failed: dict[tuple[str, str], str] = dataclasses.field(default_factory=dict)

  @contextlib.contextmanager
  def noting_failure(self, side: str, case: str) -> Iterator[None]:
    """Notes a `SideError` and goes on without the side."""
    try:
      yield
    except SideError as error:
      self.failed[side, case] = str(error)
      measuring.say(failed=side, case=case, why=str(error))

  def of(self, side: str, case: str) -> dict[int, Turn]:
    """The turns of a side by round; none where it failed."""
    if (side, case) in self.failed:
      return {}
    mine = [t for t in self.turns if (t.side, t.case) == (side, case)]
    return {turn.round: turn for turn in mine}

  def rates(self, side: str, case: str) -> dict[int, float]:
    """Needed FLOP/s of a side by round, the same FLOPs for every side."""
    needed = self.of_own('needed_flops', case)
    turns = self.of(side, case)
    return {n: needed / turn.seconds for n, turn in turns.items()}

  def of_own(self, fact: str, case: str) -> Any:
    """What this project's side says of a case; None if it has failed."""
    for side in (OWN, OWN_LLAMA):
      if (side, case) in self.facts:
        return self.facts[side, case][fact]
    return None


def summary(results: Results) -> dict[str, Any]:
  """Returns the figures of one shape, `None` for what did not run."""
  sides = list(dict.fromkeys(turn.side for turn in results.turns))
  peers = [side for side in sides if side not in (OWN, OWN_LLAMA)]
  ratios = {
    own: {
      case: {
        peer: quartiles(ratio)
        for peer in peers
        if (ratio := _ratio(results, case, own, peer))
      }
      for case in CASES
    }
    for own in (OWN, OWN_LLAMA)
    if own in sides
  }
  described = {side: _described(results, side) for side in sides}
  mine = ratios.get(OWN, {})
  own = described.get(OWN, {})
  return {
    'peers': peers,
    **{
      f'ratio_to_{name}_{case}': _lowest(mine.get(case, {}), among)
      for name, among in (('torch', (TORCH,)), ('best_jax_peer', JAX_PEERS))
      for case in CASES
    },
    'matmul_share': _median(own, 'dense', 'matmul_share'),
    'matmul_share_flan': _median(own, 'flan', 'matmul_share'),
    'mfu': _median(own, 'dense', 'mfu'),
    'mfu_flan': _median(own, 'flan', 'mfu'),
    'matmul_flops_per_second': {
      case: quartiles(rates) for case in CASES if (rates := _of(results, case))
    },
    'ratios': ratios,
    'versions': {
      **described.get(TORCH, {}).get('versions', {}),
      **own.get('versions', {}),
    },
    'sides': described,
    'failed': {'/'.join(key): why for key, why in results.failed.items()},
    'model': dataclasses.asdict(results.shape),
  }


def quartiles(values: Sequence[float]) -> dict[str, float]:
  """Returns median, lower and upper quartile, to four digits."""
  if len(values) == 1:
    values = [*values, *values]
  lower, median, upper = statistics.quantiles(values, n=4, method='inclusive')
  return {
    name: float(f'{value:.4g}')
    for name, value in (('median', median), ('q1', lower), ('q3', upper))
  }


def _described(results: Results, side: str) -> dict[str, Any]:
  """Returns the figures of one side by case."""
  described: dict[str, Any] = {}
  for case in CASES:
    facts = results.facts.get((side, case), {})
    described |= {name: facts[name] for name in _OF_A_SIDE if name in facts}
    turns = results.of(side, case)
    if not turns:
      continue
    rates = results.rates(side, case)
    shares = [
      rate / results.matmul[case, number]
      for number, rate in rates.items()
      if (case, number) in results.matmul
    ]
    peak = results.of_own('peak_flops', case)
    described[case] = {
      'tokens_per_second': quartiles(
        [results.shape.tokens / turn.seconds for turn in turns.values()]
      ),
      'tokens_per_cpu_second': quartiles(
        [results.shape.tokens / turn.cpu_seconds for turn in turns.values()]
      ),
      'model_flops_per_second': quartiles(list(rates.values())),
      'matmul_share': quartiles(shares) if shares else None,
      'mfu': quartiles([r / peak for r in rates.values()]) if peak else None,
      'peak_mib': max(turn.peak_mib for turn in turns.values()),
      'device_mib': max(turn.device_mib or 0 for turn in turns.values()),
      'first_loss': facts['first_loss'],
    }
  return described


def _ratio(results, case, own, peer) -> list[float]:
  """How many times faster this project's side was, round by round."""
  mine, theirs = results.of(own, case), results.of(peer, case)
  return [
    theirs[number].seconds / mine[number].seconds
    for number in mine
    if number in theirs
  ]


def _of(results, case) -> list[float]:
  return [rate for (of, _), rate in results.matmul.items() if of == case]


def _lowest(ratios, among) -> float | None:
  """The median ratio to the fastest of some peers, None without any."""
  medians = [ratios[peer]['median'] for peer in among if peer in ratios]
  return min(medians, default=None)


def _median(described, case, figure) -> float | None:
  found = described.get(case, {}).get(figure)
  return found and found['median']
