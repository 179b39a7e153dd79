"""Kills commands at random moments and checks that they end as if not killed.

python -m tests.e2e.kill_campaign --kills=60 --seed=0

A command is started, gets a signal, and is started again, until it has had its
share of the signals. Then it runs to its end, and what it leaves must be that
of a run without signals.
"""

import argparse
from collections.abc import Callable, Sequence
import dataclasses
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from typing import Any

from flan_jax.sources import tfds_import
from flan_jax.testing import rule, tiny_models
from flan_jax.testing.row_files import write_rows
from flan_jax.training.checkpoint import Checkpointer
from tests.command_line import LENGTHS, ROOT, RULE, SMALL, TRAIN
from tests.compile_flags import CHEAP_PROGRAMS
from tests.studies.shipped import TINY

# How often each signal is sent, of ten times.
_SIGNALS = [signal.SIGKILL] * 7 + [signal.SIGTERM] * 2 + [signal.SIGINT]
# Seconds that the partners of a killed process have to notice.
_PATIENCE = 150
_TIMED = ('_per_second', '_per_device', '_share', '_spread', 'goodput')
_MODEL = {
  'model_type': 'qwen2',
  'vocab_size': 288,
  'hidden_size': 32,
  'intermediate_size': 48,
  'num_hidden_layers': 2,
  'num_attention_heads': 4,
  'num_key_value_heads': 2,
  'rms_norm_eps': 1e-5,
  'max_position_embeddings': 512,
  'tie_word_embeddings': True,
}
_CACHED = ('tokens.bin', 'spans.npy', 'renderings.npy', 'rows.jsonl')


@dataclasses.dataclass(frozen=True)
class Workload:
  """A command that is killed.

  Attributes:
    name: Its name.
    flags: Command and flags; `{out}` is the folder that it makes.
    found: Returns what it leaves in that folder, to compare.
    processes: Number of its processes.
    is_whole: Whether a folder is finished, of a command that refuses one.
  """

  name: str
  flags: Sequence[str]
  found: Callable[[pathlib.Path], Any]
  processes: int = 1
  is_whole: Callable[[pathlib.Path], bool] = lambda folder: False


def _trained(folder: pathlib.Path) -> Any:
  """Returns the metrics of all steps, and digests of the last checkpoint."""
  lines = (folder / 'metrics.jsonl').read_text().splitlines()
  metrics = [
    {k: v for k, v in json.loads(line).items() if not k.endswith(_TIMED)}
    for line in lines
  ]
  assert not list(folder.glob('checkpoints/*tmp*'))
  assert not (folder / 'run.lock').exists()
  return metrics, Checkpointer.digests(folder)


def _cached(folder: pathlib.Path) -> Any:
  return {
    str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).digest()
    for path in folder.rglob('*')
    if path.name in _CACHED
  }


def _evaluated(folder: pathlib.Path) -> Any:
  """Returns each answer; sums of log-probabilities to four digits."""
  (path,) = folder.rglob('records.jsonl')
  records = map(json.loads, path.read_text().splitlines())
  return [
    (r['id'], r['template'], [round(o['total'], 3) for o in r['options']])
    for r in records
  ]


def _imported(folder: pathlib.Path) -> Any:
  gin_file = (folder / 'model.gin').read_text().replace(folder.name, '')
  return Checkpointer.digests(folder), gin_file


def _is_imported(folder: pathlib.Path) -> bool:
  return folder.exists() and not (folder / '.unfinished').exists()


def _studied(folder: pathlib.Path) -> Any:
  return (folder / 'tiny-smoke/study.json').read_bytes()


def make_sources(folder: pathlib.Path) -> None:
  """Writes the data, the model and the study that the commands read."""
  write_rows(folder / 'rows', rule.RULE, rule.rows())
  tfds_import.import_rows(
    folder / 'rows', str(folder / 'data'), log=lambda line: None
  )
  source = folder / 'source'
  source.mkdir()
  tiny_models.write_tokenizer(source)
  tiny_models.write_model(source, _MODEL)
  (folder / 'experiments').mkdir()
  study = f'{TINY}TRAIN_STEPS = 4\nCHECKPOINT_PERIOD = 1\n'
  (folder / 'experiments/tiny.gin').write_text(study)


def workloads(steps: int = 60) -> list[Workload]:
  """Returns the commands; training takes some steps."""
  data = (RULE, '--gin.DATA_DIR=data')
  train = (
    *('train', *TRAIN, *data, LENGTHS, '--gin.CACHE_DIR=cache'),
    '--gin.MIXTURE_OR_TASK_NAME=rule_train',
    *(
      '--gin.MODEL_DIR={out}',
      f'--gin.TRAIN_STEPS={steps}',
      '--gin.EVAL_PERIOD=0',
    ),
    *('--gin.CHECKPOINT_PERIOD=3', '--gin.DROPOUT_RATE=0.1'),
  )
  cache = ('cache', '--gin_file=models/tiny.gin', '--gin_file=runs/train.gin')
  evaluate = (
    *('eval', *SMALL, '--gin_file=runs/eval.gin', *data, LENGTHS),
    *('--gin.MIXTURE_OR_TASK_NAME=rule_eval', '--gin.CHECKPOINT_PATH=trained'),
    *('--gin.MODEL_DIR={out}', '--gin.CACHE_DIR=cache'),
    '--gin.EVAL_EXAMPLES=0',
  )
  caching = (
    *(*cache, *data, LENGTHS, '--gin.CACHE_DIR={out}'),
    *('--gin.MIXTURE_OR_TASK_NAME=rule_train', '--gin.MODEL_DIR=none'),
  )
  importing = 'import', '--from=source', '--out={out}'
  return [
    # `Campaign.prepare` keeps what it leaves, for the evaluation.
    Workload('training', train, _trained),
    Workload('saving', (*train, '--gin.CHECKPOINT_PERIOD=1'), _trained),
    Workload('training in two processes', train, _trained, processes=2),
    Workload('caching', caching, _cached),
    Workload('evaluation', evaluate, _evaluated),
    Workload('importing', importing, _imported, is_whole=_is_imported),
    Workload(
      'a study',
      ('study', 'tiny', *data, '--gin.CACHE_DIR=cache', '--study_dir={out}'),
      _studied,
    ),
  ]


class Campaign:
  """Runs the commands of a folder."""

  def __init__(self, folder: pathlib.Path, seed: int):
    self._folder = folder
    self._random = random.Random(seed)

  def _start(self, workload: Workload, out: str) -> list[subprocess.Popen]:
    flags = [flag.replace('{out}', out) for flag in workload.flags]
    joins = [()]
    if workload.processes > 1:
      with socket.socket() as listener:
        listener.bind(('localhost', 0))
        address = f'localhost:{listener.getsockname()[1]}'
      count = workload.processes
      joins = [
        (
          f'--coordinator_address={address}',
          f'--process_count={count}',
          f'--process_index={index}',
        )
        for index in range(count)
      ]
    return [
      subprocess.Popen(
        [sys.executable, '-m', 'flan_jax', *flags, *join],
        cwd=self._folder,
        env={
          **os.environ,
          'XLA_FLAGS': CHEAP_PROGRAMS,
          'JAX_PLATFORMS': 'cpu',
          'PYTHONPATH': str(ROOT),
          'JAX_COMPILATION_CACHE_DIR': str(self._folder / 'compiled'),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
      )
      for join in joins
    ]

  def _finish(self, workload: Workload, out: str) -> Any:
    """Runs a command to its end and returns what it leaves."""
    running = self._start(workload, out)
    errors = [process.communicate()[1] for process in running]
    codes = [process.returncode for process in running]
    assert not any(codes), f'{workload.name}: {codes}\n{errors[0][-3000:]}'
    return workload.found(self._folder / out)

  def _kill(self, workload: Workload, out: str, seconds: float) -> bool:
    """Sends a signal to a command; returns False if it ends before that."""
    running = self._start(workload, out)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
      if any(process.poll() is not None for process in running):
        _end(running)
        return False
      time.sleep(0.05)
    number = self._random.choice(_SIGNALS)
    self._random.choice(running).send_signal(number)
    began = time.monotonic()
    codes = _end(running)
    print(
      f'{workload.name}: {number.name} after {seconds:.1f} s, ended in '
      f'{time.monotonic() - began:.1f} s with {codes}',
      flush=True,
    )
    return True

  def prepare(self) -> None:
    """Makes what the commands need."""
    make_sources(self._folder)
    self._finish(workloads()[0], 'trained')

  def run(self, workload: Workload, kills: int) -> int:
    """Kills a command some times; returns how often in all.

    Raises:
      AssertionError: It has not ended as without.
    """
    began = time.monotonic()
    whole = self._finish(workload, 'whole')
    lasts = time.monotonic() - began
    killed = early = 0
    while killed < kills and early < kills + 3:
      seconds = self._random.uniform(0.2, 1) * lasts
      if self._kill(workload, 'broken', seconds):
        killed += 1
      else:
        early += 1
        lasts = seconds  # Programs are compiled by now.
        # It is finished: what follows would find nothing to do.
        self._compare(workload, whole)
    self._compare(workload, whole)
    shutil.rmtree(self._folder / 'whole')
    return killed

  def _compare(self, workload: Workload, whole: Any) -> None:
    folder = self._folder / 'broken'
    if workload.is_whole(folder):  # It was killed after its work.
      broken = workload.found(folder)
    else:
      broken = self._finish(workload, 'broken')
    assert broken == whole, f'{workload.name}: other results'
    shutil.rmtree(folder)


def _end(running: Sequence[subprocess.Popen]) -> list[int]:
  """Waits for processes, and returns their exit codes."""
  deadline = time.monotonic() + _PATIENCE
  try:
    for process in running:
      process.communicate(timeout=max(1, deadline - time.monotonic()))
  except subprocess.TimeoutExpired:
    for process in running:
      process.kill()
    raise AssertionError('a process waits for one that is dead') from None
  return [process.returncode for process in running]


def main(argv: Sequence[str] | None = None) -> int:
  """Runs the campaign; returns 1 if a command has not ended as without."""
  parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
  parser.add_argument('--kills', type=int, default=60, help='in all')
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--only', nargs='*', help='names of commands')
  flags = parser.parse_args(argv)
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    campaign = Campaign(folder, flags.seed)
    campaign.prepare()
    chosen = [
      workload
      for workload in workloads()
      if not flags.only or workload.name in flags.only
    ]
    done, failed = 0, []
    for index, workload in enumerate(chosen):
      kills = flags.kills * (index + 1) // len(chosen)
      kills -= flags.kills * index // len(chosen)
      try:
        killed = campaign.run(workload, kills)
        done += killed
        print(f'{workload.name}: {killed} kills, as without', flush=True)
      except AssertionError as error:
        failed.append(workload.name)
        print(f'FAILED {workload.name}: {error}', flush=True)
        for left in ('broken', 'whole'):
          shutil.rmtree(folder / left, ignore_errors=True)
  print(f'{done} kills of {len(chosen) - len(failed)} commands left no trace')
  if failed:
    print(f'failed: {", ".join(failed)}')
  return int(bool(failed))


if __name__ == '__main__':
  sys.exit(main())
