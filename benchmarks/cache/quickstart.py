"""Measures what caching costs before the first step of the quickstart.

Each round is a new process, which starts TensorFlow, imports the mini corpus
and caches its 132 splits. Prints one JSON object.
"""

from collections.abc import Sequence
import pathlib
import subprocess
import sys
import tempfile
import time

from benchmarks.common import figures, flags

_PACKAGES = ('tensorflow', 'tensorflow-datasets')


def main(arguments: Sequence[str] | None = None) -> None:
  """Runs the measurement."""
  parser = flags.parser(__doc__)
  parser.add_argument('--rounds', type=int, default=3, help='new processes')
  flags.add_out(parser)
  settings = parser.parse_args(arguments)
  figures.finish(
    settings.out,
    seconds=figures.spread([_seconds() for _ in range(settings.rounds)]),
    versions=figures.versions(_PACKAGES),
  )


def _seconds() -> float:
  with tempfile.TemporaryDirectory() as folder:
    command = [
      *(sys.executable, '-m', 'flan_jax', 'cache'),
      '--gin_file=runs/quickstart_tiny.gin',
      f'--gin.CACHE_DIR="{pathlib.Path(folder) / "cache"}"',
    ]
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=sys.stderr)
    return time.perf_counter() - begin


if __name__ == '__main__':
  main()
