"""Measures how time and memory grow with the size of what is done.

Each thing is done at three sizes, each in a process of its own whose memory is
watched. Prints JSON objects, the last one the summary, and a table on standard
error; see benchmarks/README.md.
"""

from collections.abc import Sequence
import os
import sys
from typing import Any

# JAX and TensorFlow read these when they are first imported.
os.environ['CUDA_VISIBLE_DEVICES'] = '-1'
os.environ['JAX_PLATFORMS'] = 'cpu'
os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'

from benchmarks.common import figures, flags
from benchmarks.growth import own, results
from benchmarks.memory.watching import run_phase

_PACKAGES = ('numpy', 'jax', 'tensorflow', 'tensorflow-datasets')


def main(arguments: Sequence[str] | None = None) -> None:
  """Runs the measurement."""
  parser = flags.parser(__doc__)
  flags.add_choice(parser, '--only', own.GROWTHS, 'what is measured')
  parser.add_argument(
    '--work_dir', help='where files are made; default: a temporary folder'
  )
  flags.add_out(parser)
  settings = parser.parse_args(arguments)
  measured: dict[str, list[dict[str, Any]]] = {}
  with figures.work_folder(settings.work_dir, 'growth') as folder:
    for name in settings.only:
      growth = own.GROWTHS[name]
      measured[name] = []
      for size in growth.sizes:
        place = folder / name / str(size)
        if growth.make is not None:
          run_phase(growth.make, place, size)
        phase = run_phase(own.measured, name, place, size)
        line = {**phase.result, 'peak_mib': phase.peak_mib}
        measured[name].append(line)
        figures.print_line(of=name, **line)
  result = {
    **results.summary(measured),
    'units': {name: own.GROWTHS[name].unit for name in measured},
  }
  print(*results.table(result), sep='\n', file=sys.stderr)
  versions = figures.versions(_PACKAGES)
  figures.finish(settings.out, **result, versions=versions)


if __name__ == '__main__':
  main()
