"""Measures whether hours of training keep memory and files bounded.

Trains a small decoder with frequent evaluations on validation rows and frequent
checkpoints, and watches the process. A signal ends the run, which must leave a
checkpoint. Prints one JSON object for each quarter of the time, the last line
is the summary.
"""

from collections.abc import Sequence
import os
import pathlib
import signal
import subprocess
import sys
import time
from typing import Any

import psutil

from benchmarks.common import figures, flags

_PACKAGES = ('jax', 'orbax-checkpoint', 'tensorboardX')
_MIB = 2**20
_QUARTERS = 4
# Steps, evaluations and checkpoints follow each other as fast as they can.
_FLAGS = (
  '--gin_file=runs/quickstart_tiny.gin',
  '--gin.DecoderConfig.num_layers=2',
  '--gin.DecoderConfig.d_model=64',
  '--gin.DecoderConfig.d_ff=256',
  '--gin.DecoderConfig.head_dim=16',
  '--gin.EVAL_MIXTURE=None',
  '--gin.TRAIN_STEPS=1_000_000',
  '--gin.EVAL_PERIOD=200',
  '--gin.EVAL_ROWS=2',
  '--gin.CHECKPOINT_PERIOD=100',
  '--gin.KEEP_CHECKPOINTS=2',
)


def main(arguments: Sequence[str] | None = None) -> None:
  """Runs the measurement."""
  parser = flags.parser(__doc__)
  add = parser.add_argument
  add('--hours', type=float, default=2.0, help='how long to train')
  add('--work_dir', help='where MODEL_DIR is made; default: a temporary folder')
  flags.add_out(parser)
  settings = parser.parse_args(arguments)
  with figures.work_folder(settings.work_dir, 'soak') as folder:
    quarters = _train(folder, settings.hours * 3600)
    first, *_, last = (quarter['private_mib'] for quarter in quarters)
    figures.finish(
      settings.out,
      hours=settings.hours,
      quarters=quarters,
      private_mib_growth=last - first,
      versions=figures.versions(_PACKAGES),
    )


def _train(folder: pathlib.Path, seconds: float) -> list[dict[str, Any]]:
  """Trains for some seconds from the first step on; returns the quarters."""
  model_dir = folder / 'model'
  command = [
    *(sys.executable, '-m', 'flan_jax', 'train', *_FLAGS),
    f'--gin.MODEL_DIR="{model_dir}"',
    f'--gin.CACHE_DIR="{folder / "cache"}"',
  ]
  metrics = model_dir / 'metrics.jsonl'
  with open(folder / 'log.txt', 'w') as log:
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
      while not metrics.exists():
        _check_runs(process, folder)
        time.sleep(1)
      begin, quarters = time.monotonic(), []
      for quarter in range(1, _QUARTERS + 1):
        while time.monotonic() < begin + seconds * quarter / _QUARTERS:
          _check_runs(process, folder)
          time.sleep(1)
        quarters.append(_state(process, model_dir))
        figures.print_line(quarter=quarter, **quarters[-1])
      process.send_signal(signal.SIGTERM)
      if process.wait():
        raise RuntimeError(
          f'the signal ended in {process.returncode}: {folder}'
        )
    finally:
      process.kill()
  return quarters


def _check_runs(process: subprocess.Popen, folder: pathlib.Path) -> None:
  if process.poll() is not None:
    raise RuntimeError(f'training ended, see {folder / "log.txt"}')


def _state(
  process: subprocess.Popen, model_dir: pathlib.Path
) -> dict[str, Any]:
  """Returns the memory of the process and what is in its MODEL_DIR."""
  memory = psutil.Process(process.pid).memory_info()
  with open(model_dir / 'metrics.jsonl', encoding='utf-8') as lines:
    count = sum(1 for _ in lines)
  found = [path for path in model_dir.rglob('*') if path.is_file()]
  kept = [path for path in found if 'checkpoints' in path.parts]
  return {
    # Without memory that files back.
    'private_mib': round((memory.rss - memory.shared) / _MIB),
    'threads': psutil.Process(process.pid).num_threads(),
    'open_files': psutil.Process(process.pid).num_fds(),
    'lines_of_metrics': count,
    'files_of_checkpoints': len(kept),
    'other_files': len(found) - len(kept),
    'mib_of_checkpoints': round(_size(kept) / _MIB, 1),
  }


def _size(paths: Sequence[pathlib.Path]) -> int:
  total = 0
  for path in paths:
    # A checkpoint may be removed meanwhile.
    if path.exists():
      total += os.path.getsize(path)
  return total


if __name__ == '__main__':
  main()
