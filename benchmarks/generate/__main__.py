"""Compares generation on the CPU with that of `transformers`.

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
from benchmarks.generate import results
from benchmarks.generate.results import DATASETS, OWN, PEER

# For all processes: nothing is downloaded, no GPU is used.
_ENVIRONMENT = {
  'CUDA_VISIBLE_DEVICES': '',
  'HF_HUB_OFFLINE': '1',
  'JAX_PLATFORMS': 'cpu',
  'TOKENIZERS_PARALLELISM': 'false',
}

_TOKENS_PER_BATCH = 'tokens of all slots, TOKENS_PER_EVAL_BATCH of flan_jax'


def main(arguments: Sequence[str] | None = None) -> None:
  """Runs the comparison."""
  settings = _parse(arguments)
  os.environ.update(_ENVIRONMENT)
  modules, left_out = {OWN: 'benchmarks.generate.own'}, {}
  if all(map(importlib.util.find_spec, ('torch', 'transformers'))):
    modules[PEER] = 'benchmarks.generate.hugging_face'
  else:
    left_out[PEER] = "needs PyTorch: pip install '.[reference]'"
  with figures.work_folder(settings.work_dir, 'generate') as folder:
    named = ('model', 'data_dir', 'datasets', 'prompts')
    task = {name: getattr(settings, name) for name in named}
    maker = {'prompts': 'benchmarks.generate.prompts'}
    with started(maker, {**task, 'folder': str(folder)}) as processes:
      files = processes['prompts'].ask('make')
    figures.print_line(made=files)
    prompts = json.loads(pathlib.Path(files['prompts']).read_text('utf-8'))
    comparison = Comparison(required=OWN)
    named = ('new_tokens', 'tokens_per_batch')
    task = {**files, **{name: getattr(settings, name) for name in named}}
    with started(modules, task) as sides:
      work = {
        dataset: _prepared(comparison, sides, dataset, settings.batch_sizes)
        for dataset in prompts
      }
      for number in range(settings.rounds):
        for dataset, of_runners in work.items():
          comparison.take_turns(sides, dataset, number, of_runners)
    from flan_jax.vocabulary.load import load_vocabulary

    vocabulary = load_vocabulary(files['checkpoint'])
    found = results.summary(comparison, vocabulary, prompts)
  figures.finish(
    settings.out,
    **found,
    left_out=left_out,
    rounds=settings.rounds,
    settings=vars(settings),
    **figures.machine(),
  )


def _prepared(
  comparison: Comparison, sides, dataset: str, batch_sizes: Sequence[int]
) -> dict[Runner, int]:
  """Returns what runners generate: this project, and the peer at its best."""
  sizes = comparison.prepare_all(sides, dataset, PEER, batch_sizes)
  runners = [Runner(OWN)]
  if sizes:
    runners.append(Runner(PEER, min(sizes, key=sizes.get)))
  return {
    runner: results.generated(comparison, runner, dataset) for runner in runners
  }


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
  parser = flags.parser(__doc__)
  add = parser.add_argument
  add('--model', default=flags.MODEL, help='as in flan-jax import --from')
  add('--data_dir', default='mini', help='TFDS data directory')
  flags.add_choice(parser, '--datasets', DATASETS, 'what is answered')
  add('--prompts', type=int, default=64, help='prompts of each dataset')
  add('--new_tokens', type=int, default=128, help='most tokens of an answer')
  add('--tokens_per_batch', type=int, default=16384, help=_TOKENS_PER_BATCH)
  add('--rounds', type=int, default=5, help='turns of every side per dataset')
  flags.add_batch_sizes(parser, PEER)
  flags.add_out(parser)
  add('--work_dir', help='keeps what is made; default: a temporary folder')
  return parser.parse_args(arguments)


if __name__ == '__main__':
  main()
