"""Compares how fast lm-evaluation-harness scores options on the CPU.

Prints JSON objects, the last one the summary; see benchmarks/README.md.
"""

import argparse
from collections.abc import Sequence
import importlib.util
import json
import os
import pathlib

from benchmarks.common import figures, flags
from benchmarks.common.comparison import Comparison, Runner
from benchmarks.common.side_process import started
from benchmarks.rank_eval import datasets, results
from benchmarks.rank_eval.results import HARNESS, OWN, SIDES

# Names an interpreter that has the harness.
_INTERPRETER = 'FLAN_JAX_LM_EVAL_PYTHON'
# For all processes: nothing is downloaded, no GPU is used.
_ENVIRONMENT = {
  'CUDA_VISIBLE_DEVICES': '',
  'HF_HUB_OFFLINE': '1',
  'JAX_PLATFORMS': 'cpu',
  'TOKENIZERS_PARALLELISM': 'false',
}


def main(arguments: Sequence[str] | None = None) -> None:
  """Runs the comparison."""
  settings = _parse(arguments)
  os.environ.update(_ENVIRONMENT)
  modules = dict.fromkeys(settings.sides, 'benchmarks.rank_eval.own')
  left_out = {}
  interpreter = os.environ.get(_INTERPRETER)
  if HARNESS in modules:
    modules[HARNESS] = 'benchmarks.rank_eval.harness'
    packages = ('lm_eval', 'torch')
    if not interpreter and not all(map(importlib.util.find_spec, packages)):
      del modules[HARNESS]
      left_out[HARNESS] = f'pip install lm_eval torch, or set {_INTERPRETER}'
  with figures.work_folder(settings.work_dir, 'rank_eval') as folder:
    named = ('model', 'data_dir', 'datasets', 'rows', 'templates', 'shots')
    task = {name: getattr(settings, name) for name in named}
    maker = {'requests': 'benchmarks.rank_eval.requests'}
    with started(maker, {**task, 'folder': str(folder)}) as processes:
      files = processes['requests'].ask('make')
    figures.print_line(made=files)
    requests = json.loads(pathlib.Path(files['requests']).read_text('utf-8'))
    task = {**files, 'tokens_per_batch': settings.tokens_per_batch}
    comparison = Comparison(required=OWN)
    with started(modules, task, {HARNESS: interpreter}) as sides:
      seconds = {
        dataset: comparison.prepare_all(
          sides, dataset, HARNESS, settings.batch_sizes
        )
        for dataset in requests
      }
      sizes = results.worth_measuring(seconds)
      for number in range(settings.rounds):
        for dataset, rows in requests.items():
          runners = [Runner(side) for side in sides if side != HARNESS]
          runners += [Runner(HARNESS, size) for size in sizes[dataset]]
          work = dict.fromkeys(runners, len(rows))
          comparison.take_turns(sides, dataset, number, work)
  figures.finish(
    settings.out,
    **results.summary(comparison, requests),
    left_out=left_out,
    rounds=settings.rounds,
    settings=vars(settings),
    **figures.machine(),
  )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
  parser = flags.parser(
    __doc__,
    f'{HARNESS} runs in the interpreter that {_INTERPRETER} names, or else in '
    'this one.',
  )
  add = parser.add_argument
  add('--model', default=flags.MODEL, help='as in flan-jax import --from')
  add('--data_dir', default='mini', help='TFDS data directory')
  add(
    '--datasets',
    type=datasets.parse,
    default=','.join(datasets.DEFAULT),
    help='what is scored: datasets or subsets with options',
  )
  add('--rows', type=int, default=12, help='rows of each dataset')
  add('--templates', type=int, default=1, help='templates of each row')
  add(
    '--shots',
    type=int,
    default=0,
    help='exemplars before each row, the same for all of a subset',
  )
  flags.add_choice(parser, '--sides', SIDES, 'who is measured', required=OWN)
  add('--rounds', type=int, default=3, help='turns of every side per dataset')
  flags.add_batch_sizes(parser, HARNESS)
  add(
    '--tokens_per_batch',
    type=int,
    default=8192,
    help="TOKENS_PER_EVAL_BATCH of this project's scorers",
  )
  add('--work_dir', help='keeps what is made; default: a temporary folder')
  flags.add_out(parser)
  return parser.parse_args(arguments)


if __name__ == '__main__':
  main()
