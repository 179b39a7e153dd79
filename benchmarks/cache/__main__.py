"""Compares how fast this project and SeqIO make token caches of the same rows.

Each turn is a process of its own, because a process keeps what it has traced.
Prints JSON objects, the last one the summary; see benchmarks/README.md.
"""

from collections.abc import Sequence
import os
import tempfile
from typing import Any

# JAX and TensorFlow read these when they are first imported.
os.environ['CUDA_VISIBLE_DEVICES'] = '-1'
os.environ['JAX_PLATFORMS'] = 'cpu'
os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'

from benchmarks.cache.texts import open_task
from benchmarks.common import figures, flags
from benchmarks.common.comparison import Comparison, Runner
from benchmarks.common.side_process import started
from benchmarks.data_pipeline import corpus

OWN, PEER = 'flan_jax', 'seqio'
_MODULES = {
  OWN: 'benchmarks.cache.own',
  PEER: 'benchmarks.cache.seqio_pipeline',
}
_CASE = 'cache'
_PACKAGES = ('apache-beam', 'seqio', 'tensorflow', 'tensorflow-datasets')


def main(arguments: Sequence[str] | None = None) -> None:
  """Runs the comparison."""
  parser = flags.parser(__doc__)
  add = parser.add_argument
  flags.add_choice(
    parser, '--datasets', corpus.DATASETS, 'datasets of the generated texts'
  )
  add('--rows', type=int, default=2000, help='rows of each dataset')
  add('--rounds', type=int, default=3, help='turns of each side')
  add('--seed', type=int, default=0, help='seed of the texts')
  add('--work_dir', help='keeps the texts; default: a temporary folder')
  flags.add_out(parser)
  settings = parser.parse_args(arguments)
  with figures.work_folder(settings.work_dir, 'cache') as folder:
    task = {**vars(settings), 'work_dir': str(folder)}
    open_task(task, folder)  # Makes the texts.
    comparison, described = Comparison(), {}
    for number in range(settings.rounds):
      described |= _take_turns(comparison, number, task)
  figures.finish(settings.out, **_summary(comparison, described))


def _take_turns(
  comparison: Comparison, number: int, task: dict[str, Any]
) -> dict[str, dict[str, Any]]:
  """Lets each side make its cache once; returns what is in each."""
  with tempfile.TemporaryDirectory(dir=task['work_dir']) as folder:
    with started(_MODULES, {**task, 'folder': folder}) as sides:
      work = dict.fromkeys(map(Runner, sides))
      comparison.take_turns(sides, _CASE, number, work)
      return {
        side: comparison.ask(sides, Runner(side), _CASE, 'describe')
        for side in sides
      }


def _summary(
  comparison: Comparison,
  described: dict[str, dict[str, Any]],
) -> dict[str, Any]:
  def rates(by: str) -> dict[str, Any]:
    return {
      side: figures.spread(comparison.rates(Runner(side), [_CASE], by))
      for side in _MODULES
    }

  by_core = comparison.ratio(OWN, PEER, [_CASE], 'cpu_seconds')
  contents = [described.get(side) or {} for side in _MODULES]
  return {
    'ratio_to_seqio_per_core': figures.median(by_core),
    'ratio_per_core': by_core,
    'ratio': comparison.ratio(OWN, PEER, [_CASE]),
    'rows_per_second': rates('seconds'),
    'rows_per_cpu_second': rates('cpu_seconds'),
    'renderings': contents[0].get('renderings'),
    'same_texts': contents[0].get('digest') == contents[1].get('digest'),
    'failed': comparison.failures(),
    'versions': figures.versions(_PACKAGES),
  }


if __name__ == '__main__':
  main()
