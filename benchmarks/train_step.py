"""Compares this project's train step with its peers', in one run.

  python -m benchmarks.train_step

The README beside says what is compared. Each line is a JSON object, the last
one the summary.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
import contextlib
import dataclasses
import os

from benchmarks import measuring, train_results, train_shapes, train_sides
from benchmarks.measuring import say
from benchmarks.train_results import Results, Turn
from benchmarks.train_sides import Process

_SHAPES = {'cpu': 'base', 'gpu': '0.4b,1b,2b'}
# Whose figures lead the summary where several shapes ran.
_LEADING = '1b'
# Steps before a turn that are not counted, and steps of the turn.
_STEPS = {'cpu': (0, 1), 'gpu': (2, 10)}
# Steps after the first before any is counted: JAX may compile once more, for
# where the arrays of the new state lie.
_WARM_UP = 2


def main(arguments: Sequence[str] | None = None) -> None:
  """Runs the comparison."""
  flags = _parse(arguments)
  left_out = {
    name: why
    for name in flags.sides
    if (why := train_sides.unavailable(name, flags.platform))
  }
  names = [name for name in flags.sides if name not in left_out]
  summaries = {}
  for shape in flags.shapes:
    results = _measure(shape, names, flags.platform, flags.rounds)
    summaries[shape] = train_results.summary(results)
    say(shape=shape, **summaries[shape])
  leading = _LEADING if _LEADING in summaries else flags.shapes[0]
  say(
    **summaries[leading],
    shape=leading,
    shapes=summaries if len(summaries) > 1 else None,
    left_out=left_out,
    rounds=flags.rounds,
    platform=flags.platform,
    **measuring.machine(),
  )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    description=__doc__.partition('\n')[0], allow_abbrev=False
  )
  add = parser.add_argument
  add('--platform', choices=('cpu', 'gpu'), default=_platform())
  add('--shapes', help=f'some of {",".join(train_shapes.SHAPES)}')
  add('--sides', default=','.join(train_sides.SIDES), help='who is measured')
  add('--rounds', type=int, default=9, help='turns of every side, a case')
  flags = parser.parse_args(arguments)
  flags.shapes = flags.shapes or _SHAPES[flags.platform]
  for name, known in (
    ('shapes', train_shapes.SHAPES),
    ('sides', train_sides.SIDES),
  ):
    values = getattr(flags, name).split(',')
    if not set(values) <= set(known):
      parser.error(f'--{name}: some of {",".join(known)}')
    setattr(flags, name, values)
  if train_sides.OWN not in flags.sides:
    parser.error(f'--sides: {train_sides.OWN} among them')
  return flags


def _platform() -> str:
  return 'gpu' if os.path.exists('/dev/nvidia0') else 'cpu'


def _measure(
  shape: str, names: Sequence[str], platform: str, rounds: int
) -> Results:
  """Measures all sides at one shape.

  On a CPU they take turns, so that what slows the machine hits all. On a GPU
  one comes after the other: each may need all of its memory, and nobody else is
  there.
  """
  results = Results(train_shapes.SHAPES[shape])
  everyone = [train_sides.MATMUL, *names]
  groups = [everyone] if platform == 'cpu' else [[name] for name in everyone]
  for group in groups:
    with _started(group, results.shape, platform) as processes:
      for case in train_shapes.CASES:
        ready = list(_prepared(processes, case, results))
        for number in range(rounds):
          for process in _in_turn(ready, number):
            _take_turn(process, case, number, _STEPS[platform], results)
  return results


@contextlib.contextmanager
def _started(
  names: Sequence[str], shape: train_shapes.Shape, platform: str
) -> Iterator[list[Process]]:
  with contextlib.ExitStack() as stack:
    processes = []
    for name in names:
      processes.append(Process(name, shape, platform))
      stack.callback(processes[-1].close)
    yield processes


def _prepared(
  processes: Iterable[Process], case: str, results: Results
) -> Iterator[Process]:
  """Yields those that have compiled a case."""
  for process in processes:
    if process.name == train_sides.MATMUL:
      yield process
      continue
    with results.noting_failure(process.name, case):
      process.prepare(case)
      process.step(_WARM_UP)
      results.facts[process.name, case] = process.facts
      say(side=process.name, case=case, **process.facts)
      yield process


def _in_turn(ready: Sequence[Process], number: int) -> list[Process]:
  """Each side begins in its turn, after the machine has shown its rate."""
  first = [process for process in ready if process.name == train_sides.MATMUL]
  sides = [process for process in ready if process not in first]
  begin = number % max(len(sides), 1)
  return [*first, *sides[begin:], *sides[:begin]]


def _take_turn(process, case, number, steps, results) -> None:
  if (process.name, case) in results.failed:
    return
  before, counted = steps
  if process.name == train_sides.MATMUL:
    results.matmul[case, number] = process.matmul()
    return
  with results.noting_failure(process.name, case):
    if before:
      process.step(before)
    answer = process.step(counted)
    turn = Turn(
      side=process.name,
      case=case,
      round=number,
      seconds=answer['seconds'] / counted,
      cpu_seconds=answer['cpu_seconds'] / counted,
      peak_mib=answer['peak_mib'],
      device_mib=answer.get('device_mib') or None,
      load=os.getloadavg()[0],
    )
    results.turns.append(turn)
    say(
      turn=dataclasses.asdict(turn),
      tokens_per_second=round(results.shape.tokens / turn.seconds, 1),
    )


if __name__ == '__main__':
  main()
