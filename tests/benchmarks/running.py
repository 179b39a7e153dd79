"""Runs a benchmark in a process of its own, or its sides in this one."""

import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import jax

from benchmarks.common import side_process
from flan_jax.testing import tiny_models
from tests.command_line import ROOT
from tests.compile_flags import CHEAP_PROGRAMS

TINY_LLAMA = {
  'model_type': 'llama',
  'hidden_size': 32,
  'intermediate_size': 64,
  'num_hidden_layers': 2,
  'num_attention_heads': 4,
  'num_key_value_heads': 2,
  'rms_norm_eps': 1e-5,
  'max_position_embeddings': 2048,
}


def run(name: str, *flags: str, **environment: str) -> list[dict]:
  """Returns the lines that `python -m benchmarks.NAME` prints."""
  paths = (str(ROOT), os.environ.get('PYTHONPATH'))
  finished = subprocess.run(
    [sys.executable, '-m', f'benchmarks.{name}', *flags],
    cwd=ROOT,
    env={
      **os.environ,
      'PYTHONPATH': os.pathsep.join(filter(None, paths)),
      'XLA_FLAGS': CHEAP_PROGRAMS,
      'JAX_COMPILATION_CACHE_DIR': jax.config.jax_compilation_cache_dir or '',
      **environment,
    },
    capture_output=True,
    text=True,
    check=False,
  )
  assert finished.returncode == 0, finished.stderr[-3000:]
  return [json.loads(line) for line in finished.stdout.splitlines()]


def check_out(out: pathlib.Path, summary: dict) -> None:
  """Asserts that a file has the last line, and says how it was measured."""
  written = json.loads(out.read_text())
  assert written.items() >= summary.items()
  assert written['command'] and written['date'] and written['versions']
  assert written['processor'] and written['cores']


def write_tiny_model(folder: pathlib.Path) -> pathlib.Path:
  """Writes a Hugging Face folder with a small Llama of random weights."""
  folder.mkdir()
  size = tiny_models.write_tokenizer(folder)
  tiny_models.write_model(folder, {**TINY_LLAMA, 'vocab_size': size})
  return folder


class SideHere:
  """Has the methods of `SideProcess`, for a side in this process."""

  def __init__(self, side: Any):
    self._side = side

  def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
    return side_process.call(self._side, do, **arguments)
