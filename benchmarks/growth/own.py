"""What is measured at several sizes, each in a process of its own."""

from collections.abc import Callable, Mapping
import contextlib
import dataclasses
import json
import os
import pathlib
import sys
import time
from typing import Any, NamedTuple

import numpy as np

# A row has one rendering, so that the work is that of the rows.
_TEMPLATES = (0,)
# Rows that are cached before tokens are packed.
_PACKED_ROWS = 10_000
_GIN_FILE = 'models/tiny.gin'
_OPTIONS_A_PROMPT = 4
_SHORTEST_PROMPT, _LONGEST_PROMPT, _LONGEST_OPTION = 20, 60, 4
# Ordinary tokens of the vocabulary.
_TOKENS = (10, 4096)
_CASE = 'flan'


class Growth(NamedTuple):
  """Something that is done at several sizes."""

  unit: str  # What a size counts.
  sizes: tuple[int, ...]
  # (folder, size) -> what does the work and returns its size. Imports, files
  # that are read, and compilation come before that.
  start: Callable[[pathlib.Path, int], Callable[[], int]]
  # (folder, size) -> makes the files, in a process of its own.
  make: Callable[[pathlib.Path, int], dict[str, Any]] | None = None


def measured(name: str, folder: pathlib.Path, size: int) -> dict[str, Any]:
  """Does something once; returns its `size`, `seconds` and `cpu_seconds`.

  The latter are those of the process, its threads and its children.
  """
  work = GROWTHS[name].start(folder, size)
  begin, cpu = time.perf_counter(), _cpu_seconds()
  done = work()
  return {
    'size': done,
    'seconds': round(time.perf_counter() - begin, 3),
    'cpu_seconds': round(_cpu_seconds() - cpu, 3),
  }


def _cpu_seconds() -> float:
  return sum(os.times()[:4])


def _write_rows(folder: pathlib.Path, size: int) -> dict[str, Any]:
  from benchmarks.memory import million_rows

  return million_rows.write_rows(folder, size)


def _rows(folder: pathlib.Path, size: int) -> Callable[[], int]:
  """Caches rows; what TensorFlow traces for that counts."""
  del size
  from benchmarks.memory import million_rows
  from flan_jax.runtime.tensorflow_start import start_tensorflow

  start_tensorflow()
  import tensorflow_datasets  # noqa: F401

  def work() -> int:
    done = million_rows.cache_rows(folder, 'one', templates=_TEMPLATES)
    return done['rows_cached']

  return work


def _cache_rows(folder: pathlib.Path, size: int) -> dict[str, Any]:
  """Caches the rows of any number of tokens."""
  del size
  from benchmarks.memory import million_rows

  million_rows.write_rows(folder, _PACKED_ROWS)
  return million_rows.cache_rows(folder, 'one', templates=_TEMPLATES)


def _tokens(folder: pathlib.Path, size: int) -> Callable[[], int]:
  """Plans windows and packs their batches until they hold the tokens."""
  from benchmarks.memory import million_rows

  def work() -> int:
    plan = million_rows.open_plan(folder, _TEMPLATES)
    tokens = step = 0
    while tokens < size:
      tokens += int(np.count_nonzero(plan.batch(step)['segments']))
      step += 1
    return tokens

  return work


def _steps(folder: pathlib.Path, size: int) -> Callable[[], int]:
  """Takes training steps."""
  del folder
  from benchmarks.train_step import own, shapes

  shape = dataclasses.asdict(shapes.SHAPES['tiny'])
  side = own.make_side({'shape': shape, 'side': 'flan_jax'})
  side.prepare(_CASE)
  # JAX may compile once more, for the placement of the new state.
  side.run(_CASE, steps=2)

  def work() -> int:
    side.run(_CASE, steps=size)
    return size

  return work


def _options(folder: pathlib.Path, size: int) -> Callable[[], int]:
  """Ranks options; they are all scored once before, which compiles."""
  from benchmarks.common.random_weights import random_checkpoint
  from benchmarks.rank_eval.own import OwnSide

  folder.mkdir(parents=True, exist_ok=True)
  prompts, requests = _prompts(size), folder / 'requests.json'
  requests.write_text(json.dumps({_CASE: prompts}))
  side = OwnSide(
    {
      'side': 'flan_jax',
      'checkpoint': random_checkpoint(folder, _GIN_FILE),
      'requests': requests,
      'tokens_per_batch': 8192,
    }
  )
  side.prepare(_CASE)

  def work() -> int:
    side.run(_CASE)
    return sum(len(prompt['options']) for prompt in prompts)

  return work


def _prompts(options: int) -> list[dict[str, Any]]:
  """Returns prompts of random tokens with this many options together."""
  random = np.random.default_rng(options)

  def tokens(least: int, most: int) -> list[int]:
    count = random.integers(least, most, endpoint=True)
    return random.integers(*_TOKENS, count).tolist()

  return [
    {
      'prompt': tokens(_SHORTEST_PROMPT, _LONGEST_PROMPT),
      'options': [tokens(1, _LONGEST_OPTION) for _ in range(_OPTIONS_A_PROMPT)],
    }
    for _ in range(options // _OPTIONS_A_PROMPT)
  ]


def _layers(folder: pathlib.Path, size: int) -> Callable[[], int]:
  """Plans a model of so many layers, which another process compiles."""
  del folder
  from flan_jax.runs import plan

  def work() -> int:
    with contextlib.redirect_stdout(sys.stderr):  # Only JSON on the other.
      plan.main(
        [
          f'--gin_file={_GIN_FILE}',
          '--gin_file=hardware/cpu.gin',
          f'--gin.DecoderConfig.num_layers={size}',
          '--format=json',
        ]
      )
    return size

  return work


GROWTHS: Mapping[str, Growth] = {
  'rows': Growth('rows cached', (1_000, 10_000, 100_000), _rows, _write_rows),
  'tokens': Growth(
    *('tokens packed', (5 * 10**6, 5 * 10**7, 5 * 10**8), _tokens, _cache_rows)
  ),
  'steps': Growth('training steps', (100, 1_000, 10_000), _steps),
  'options': Growth('options ranked', (100, 1_000, 10_000), _options),
  'layers': Growth('layers planned', (4, 40, 400), _layers),
}
