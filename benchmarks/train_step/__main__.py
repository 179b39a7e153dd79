"""Compares this project's training step with those of its peers.

Prints JSON objects, the last one the summary; see benchmarks/README.md.
"""

from collections.abc import Sequence
import dataclasses
import importlib.util
import os
import subprocess
import sys
import tempfile
from typing import Any

from benchmarks.common import figures, flags
from benchmarks.common.comparison import Comparison, Runner
from benchmarks.common.side_process import started
from benchmarks.train_step import results
from benchmarks.train_step.results import JAX_PEERS, MATMUL, OWN, SIDES, TORCH
from benchmarks.train_step.shapes import CASES, SHAPES

_DEFAULT_SHAPES = {'cpu': ['base'], 'gpu': ['0.4b', '1b', '2b']}
# The shape whose figures lead the summary if several ran.
_LEADING = '1b'
# Steps of a turn.
_STEPS = {'cpu': 1, 'gpu': 10}
# Steps after the first that are not counted: JAX may compile once more, for
# the placement of the new state.
_WARM_UP = 2


def main(arguments: Sequence[str] | None = None) -> None:
  """Runs the comparison."""
  parser = flags.parser(__doc__)
  add = parser.add_argument
  platform = 'gpu' if os.path.exists('/dev/nvidia0') else 'cpu'
  add('--platform', choices=('cpu', 'gpu'), default=platform)
  flags.add_choice(
    parser, '--shapes', SHAPES, 'default: base on a CPU, 0.4b,1b,2b on a GPU'
  )
  flags.add_choice(parser, '--sides', SIDES, 'who is measured', required=OWN)
  add('--rounds', type=int, default=9, help='turns of every side per case')
  flags.add_out(parser)
  parser.set_defaults(shapes=None)
  settings = parser.parse_args(arguments)
  platform = settings.platform
  left_out = {
    name: why
    for name in settings.sides
    if (why := _unavailable(name, platform))
  }
  names = [name for name in settings.sides if name not in left_out]
  shapes = settings.shapes or _DEFAULT_SHAPES[platform]
  summaries = {}
  with tempfile.TemporaryDirectory(prefix='train_step_') as folder:
    os.environ.update(_environment(platform, folder))
    for shape in shapes:
      summaries[shape] = _measure(shape, names, platform, settings.rounds)
      figures.print_line(shape=shape, **summaries[shape])
  leading = _LEADING if _LEADING in summaries else shapes[0]
  figures.finish(
    settings.out,
    **summaries[leading],
    shape=leading,
    shapes=summaries if len(summaries) > 1 else None,
    left_out=left_out,
    rounds=settings.rounds,
    platform=platform,
  )


def _unavailable(name: str, platform: str) -> str | None:
  """Returns why a side cannot be measured here, None if it can."""
  if name in JAX_PEERS:
    if platform == 'gpu':
      return 'measured on a CPU only'
    if not os.environ.get(JAX_PEERS[name]):
      return f'set {JAX_PEERS[name]} to an interpreter that has it'
  if name == TORCH:
    if not all(map(importlib.util.find_spec, ('torch', 'transformers'))):
      return "needs PyTorch: pip install '.[reference]'"
    # Ask another process, so that CUDA is not initialized in this one.
    program = 'import torch; raise SystemExit(not torch.cuda.is_available())'
    if platform == 'gpu' and subprocess.call([sys.executable, '-c', program]):
      return 'this PyTorch has no CUDA'
  return None


def _environment(platform: str, folder: str) -> dict[str, str]:
  """Returns the environment variables of all sides."""
  environment = {
    # Compile from scratch: an interrupted run leaves broken files.
    'TORCHINDUCTOR_CACHE_DIR': folder,
    'TOKENIZERS_PARALLELISM': 'false',
  }
  if platform == 'cpu':
    return environment | {'CUDA_VISIBLE_DEVICES': '', 'JAX_PLATFORMS': 'cpu'}
  # JAX takes three quarters by default, but nobody needs the rest.
  name = 'XLA_PYTHON_CLIENT_MEM_FRACTION'
  return environment | {name: os.environ.get(name, '0.92')}


def _measure(
  name: str, names: Sequence[str], platform: str, rounds: int
) -> dict[str, Any]:
  """Measures all sides at one shape; returns its summary.

  On a CPU they take turns, so that whatever slows the machine slows all of
  them. On a GPU, where each may need the whole memory, one follows the other.
  """
  shape, steps = SHAPES[name], _STEPS[platform]
  task = {'shape': dataclasses.asdict(shape)}
  interpreters = {peer: os.environ.get(at) for peer, at in JAX_PEERS.items()}
  comparison = Comparison()
  groups = [[MATMUL, *names]]
  if platform == 'gpu':
    groups = [[side] for side in groups[0]]
  for group in groups:
    modules = {
      side: f'benchmarks.train_step.{results.MODULES.get(side, side)}'
      for side in group
    }
    with started(modules, task, interpreters) as sides:
      for case in CASES:
        work = {
          runner: steps * shape.tokens
          for runner in map(Runner, sides)
          if comparison.prepare(sides, runner, case)
          and comparison.ask(sides, runner, case, 'run', steps=_WARM_UP)
        }
        for number in range(rounds):
          comparison.take_turns(sides, case, number, work, steps=steps)
  return results.summary(comparison, shape)


if __name__ == '__main__':
  main()
