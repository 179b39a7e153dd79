"""Runs the command line, in the process of the tests or in one of its own."""

from collections.abc import Iterator, Sequence
import contextlib
import os
import pathlib
import subprocess
import sys
from unittest import mock

import gin
import jax
import pytest

from flan_jax import cli
from flan_jax.definitions import registry
from flan_jax.model import DecoderConfig
from flan_jax.runtime import child
from tests.compile_flags import CHEAP_PROGRAMS

ROOT = pathlib.Path(__file__).resolve().parents[1]

# A decoder that compiles and trains in seconds.
SMALL = (
  '--gin_file=models/tiny.gin',
  '--gin.DecoderConfig.num_layers=2',
  '--gin.DecoderConfig.d_model=64',
  '--gin.DecoderConfig.d_ff=256',
  '--gin.DecoderConfig.head_dim=16',
)
# The shape that it sets, but for position and activation.
SMALL_SHAPE = DecoderConfig(
  vocab_size=4096,
  num_layers=2,
  d_model=64,
  d_ff=256,
  num_heads=4,
  num_kv_heads=4,
  head_dim=16,
)
LENGTHS = "--gin.TASK_FEATURE_LENGTHS={'inputs': 128, 'targets': 16}"
TRAIN = (
  *SMALL,
  '--gin_file=runs/train.gin',
  '--gin.LEARNING_RATE=0.02',
  '--gin.PACK_LENGTH=256',
  '--gin.BATCH_ROWS=8',
  # Answers of a row are few tokens; each place costs a row of logits.
  '--gin.TARGET_BUDGET=32',
  LENGTHS,
  # A test that looks at examples asks for some; writing them takes time.
  '--gin.EVAL_EXAMPLES=0',
)
RULE = '--task_module=flan_jax.testing.rule'
# Tunes a prompt for the model in `base`.
TUNE = (
  'prompt-tune',
  *SMALL,
  '--gin_file=runs/prompt_tune.gin',
  LENGTHS,
  '--gin.PACK_LENGTH=256',
  '--gin.BATCH_ROWS=8',
  '--gin.TARGET_BUDGET=32',
  '--gin.CACHE_DIR=cache',
  '--gin.MODEL_DIR=prompt',
  '--gin.INITIAL_CHECKPOINT_PATH=base',
  RULE,
)


class Cli:
  """Runs commands from a folder of its own.

  A call runs the command in this process, which is fast, and caches in it as
  well, where the command would start a child process. `start` and `process`
  run `python -m flan_jax`: for a command that is killed, that must not find
  some package, or that changes what this process has registered.
  """

  def __init__(
    self,
    folder: pathlib.Path,
    compiled: pathlib.Path | None = None,
    capture: pytest.CaptureFixture | None = None,
  ):
    self.folder = folder
    self._compiled = compiled or folder / 'compiled'
    self._capture = capture

  def __call__(self, *arguments: str, devices: int = 1) -> tuple[int, str, str]:
    """Returns (exit code, standard output, standard error)."""
    found = jax.devices()[:devices]
    gin.clear_config()
    self._capture.readouterr()
    with (
      contextlib.chdir(self.folder),
      # Eight simulated devices would only slow a command down.
      mock.patch.object(jax, 'devices', lambda *_: list(found)),
      mock.patch.object(child, 'succeeds', _succeeds_here),
    ):
      try:
        code = cli.main(arguments)
      except SystemExit as stop:
        code = stop.code
      finally:
        gin.clear_config()
    return code, *self._capture.readouterr()

  def check(self, *arguments: str, devices: int = 1) -> str:
    """Returns standard output; fails with standard error."""
    return _checked(self(*arguments, devices=devices))

  def start(
    self,
    *arguments: str,
    module: Sequence[str] = ('flan_jax',),
    **environment: str,
  ) -> subprocess.Popen:
    """Starts a process, on one device.

    Args:
      *arguments: The command and its flags.
      module: The Python module that runs it, and arguments of its own.
      **environment: Changes to the environment.
    """
    return subprocess.Popen(
      [sys.executable, '-m', *module, *arguments],
      cwd=self.folder,
      env={
        **os.environ,
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

  def process(
    self, *arguments: str, **environment: str
  ) -> tuple[int, str, str]:
    """Returns (exit code, standard output, standard error) of a process."""
    process = self.start(*arguments, **environment)
    out, error = process.communicate()
    return process.returncode, out, error

  def check_process(self, *arguments: str, **environment: str) -> str:
    """Returns standard output of a process; fails with standard error."""
    return _checked(self.process(*arguments, **environment))


def _checked(result: tuple[int, str, str]) -> str:
  code, out, error = result
  assert code == 0, error[-3000:]
  return out


# The function itself, whatever a call replaces.
_succeeds_in_child = child.succeeds


def _succeeds_here(command: str, flags: Sequence[str]) -> bool:
  """Runs what a child process would run, which spends most time on imports."""
  if command != 'cache' or registry.template_set() is not None:
    # A set of templates is applied once in a process.
    return _succeeds_in_child(command, flags)
  with _own_configuration():
    try:
      return cli.main((command, *flags)) == 0
    except SystemExit as stop:
      return not stop.code


@contextlib.contextmanager
def _own_configuration() -> Iterator[None]:
  """Gives gin an empty configuration, and then the one that it had."""
  names = ('_CONFIG', '_SINGLETONS', '_IMPORTS', '_OPERATIVE_CONFIG')
  empty = {name: type(getattr(gin.config, name))() for name in names}
  with mock.patch.multiple(gin.config, **empty, _CONFIG_IS_LOCKED=False):
    yield
