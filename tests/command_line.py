"""Runs the command line in a process of its own, on one device."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]

# A decoder that compiles and trains in seconds.
SMALL = (
  '--gin_file=models/tiny.gin',
  '--gin.DecoderConfig.num_layers=2',
  '--gin.DecoderConfig.d_model=64',
  '--gin.DecoderConfig.d_ff=256',
  '--gin.DecoderConfig.head_dim=16',
)
LENGTHS = "--gin.TASK_FEATURE_LENGTHS={'inputs': 128, 'targets': 16}"
TRAIN = (
  *SMALL,
  '--gin_file=runs/train.gin',
  '--gin.LEARNING_RATE=0.02',
  '--gin.PACK_LENGTH=256',
  '--gin.BATCH_ROWS=8',
  LENGTHS,
)
RULE = '--task_module=flan_jax.testing.rule'


# Commands compile much and compute little.
CHEAP_PROGRAMS = (
  '--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true'
)


class Cli:
  """Runs `python -m flan_jax`, from a folder of its own."""

  def __init__(
    self, folder: pathlib.Path, compiled: pathlib.Path | None = None
  ):
    self.folder = folder
    self._compiled = compiled or folder / 'compiled'

  def start(self, *arguments: str, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
      [sys.executable, '-m', 'flan_jax', *arguments],
      cwd=self.folder,
      env={
        **os.environ,
        # Eight simulated devices would only slow a command down.
        'XLA_FLAGS': CHEAP_PROGRAMS,
        'PYTHONPATH': str(ROOT),
        # Nothing of a test's stays in the home directory.
        'JAX_COMPILATION_CACHE_DIR': str(self._compiled),
        **environment,
      },
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )

  def __call__(self, *arguments: str, **environment: str):
    """Returns (exit code, standard output, standard error)."""
    process = self.start(*arguments, **environment)
    out, error = process.communicate()
    return process.returncode, out, error

  def check(self, *arguments: str, **environment: str) -> str:
    """Returns standard output; fails with standard error."""
    code, out, error = self(*arguments, **environment)
    assert code == 0, error[-3000:]
    return out
