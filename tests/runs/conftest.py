"""The command line in a process of its own, on one device."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

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


class Cli:
  """Runs `python -m flan_jax`, from a folder of its own."""

  def __init__(self, folder: pathlib.Path):
    self.folder = folder

  def start(self, *arguments: str, **environment: str) -> subprocess.Popen:
    inherited = {
      name: value
      for name, value in os.environ.items()
      # Eight simulated devices would only slow a command down.
      if name != 'XLA_FLAGS'
    }
    return subprocess.Popen(
      [sys.executable, '-m', 'flan_jax', *arguments],
      cwd=self.folder,
      env={
        **inherited,
        'PYTHONPATH': str(ROOT),
        # Nothing of a test's stays in the home directory.
        'JAX_COMPILATION_CACHE_DIR': str(self.folder / 'compiled'),
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


@pytest.fixture
def cli(tmp_path) -> Cli:
  return Cli(tmp_path)
