"""Damages every file that commands leave, and runs what reads it.

python -m tests.e2e.damage_campaign --seed=0

Each file is flipped at several places, cut, emptied and removed, one damage at
a time. A command that reads it must then find the same as before, or say what
it did without, or refuse the file in one line that names it.
"""

import argparse
import collections
from collections.abc import Callable, Iterator, Sequence
import contextlib
import dataclasses
import hashlib
import io
import itertools
import json
import logging
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import traceback
from typing import Any
from unittest import mock

os.environ.setdefault('CUDA_VISIBLE_DEVICES', '-1')
os.environ.setdefault('JAX_PLATFORMS', 'cpu')
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import jax

from flan_jax.report import document
from flan_jax.training.checkpoint import Checkpointer
from tests.command_line import LENGTHS, RULE, SMALL, TRAIN, Cli
from tests.e2e import kill_campaign
from tests.studies.shipped import TINY

# Seconds in which a command must end.
_PATIENCE = 120
_TIMED = ('_per_second', '_per_device', '_share', '_spread', 'goodput')
_DATA = (RULE, '--gin.DATA_DIR=data', '--gin.CACHE_DIR=cache', LENGTHS)
_MODEL = (
  '--gin.DecoderConfig.num_layers=1',
  '--gin.DecoderConfig.d_model=16',
  '--gin.DecoderConfig.d_ff=16',
  '--gin.DecoderConfig.head_dim=4',
  '--gin.DecoderConfig.position=rope',
  '--gin.MAX_EVAL_ROWS=2',
)


def _flip(place: Callable[[int, random.Random], int]):
  def flip(path: pathlib.Path, drawn: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[place(len(data), drawn)] ^= 1 << drawn.randrange(8)
    path.write_bytes(data)

  return flip


def _cut(path: pathlib.Path, drawn: random.Random) -> None:
  data = path.read_bytes()
  path.write_bytes(data[: drawn.randrange(1, len(data))])


def _empty(path: pathlib.Path, drawn: random.Random) -> None:
  del drawn
  path.write_bytes(b'')


def _remove(path: pathlib.Path, drawn: random.Random) -> None:
  del drawn
  path.unlink()


DAMAGES = {
  'flipped at its start': _flip(lambda size, drawn: 0),
  'flipped in the middle': _flip(lambda size, drawn: size // 2),
  'flipped at its end': _flip(lambda size, drawn: size - 1),
  'flipped somewhere': _flip(lambda size, drawn: drawn.randrange(size)),
  'flipped elsewhere': _flip(lambda size, drawn: drawn.randrange(size)),
  'cut': _cut,
  'emptied': _empty,
  'removed': _remove,
}


@dataclasses.dataclass(frozen=True)
class Reader:
  """A command that reads what is damaged.

  Attributes:
    name: Its name.
    flags: Command and flags.
    found: Returns what it leaves, to compare; given the folder that it runs in
      and its output.
  """

  name: str
  flags: Sequence[str]
  found: Callable[[pathlib.Path, str], Any]


@dataclasses.dataclass(frozen=True)
class Subject:
  """Files that are damaged.

  Attributes:
    name: What they are.
    pattern: Where they are.
    readers: What reads them.
    changed: Folders that the readers change, besides that of the files.
    without: What is removed before a case begins.
  """

  name: str
  pattern: str
  readers: Sequence[Reader]
  changed: Sequence[str] = ()
  without: str = ''

  def files(self, folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the files, without those that no command reads."""
    return sorted(
      path.relative_to(folder)
      for path in folder.glob(self.pattern)
      if path.is_file()
      and not _is_for_people(path)
      # Those of a study are as those of a run.
      and ('checkpoints' in self.pattern or 'checkpoints' not in path.parts)
    )


def _is_for_people(path: pathlib.Path) -> bool:
  """Returns whether a file is only shown: a table, a log, TensorBoard's."""
  shown = ('table.txt', 'summary.txt', 'comparison.txt')
  return path.name in shown or path.parent.name in ('logs', 'tensorboard')


def _trained(folder: pathlib.Path, out: str) -> Any:
  del out
  lines = (folder / 'model/metrics.jsonl').read_text().splitlines()
  metrics = [
    {k: v for k, v in json.loads(line).items() if not k.endswith(_TIMED)}
    for line in lines
  ]
  evaluations = folder / 'model/eval', folder / 'model/eval_base'
  digests = Checkpointer.digests(folder / 'model')
  return metrics, digests, [_results(path) for path in evaluations]


def _results(folder: pathlib.Path) -> Any:
  (path,) = folder.rglob('results.json')
  return json.loads(path.read_text())['parts']


def _evaluated(folder: pathlib.Path, out: str) -> Any:
  del out
  (path,) = (folder / 'evaluated').rglob('records.jsonl')
  return _results(folder / 'evaluated'), path.read_text()


def _studied(folder: pathlib.Path, out: str) -> Any:
  del out
  return (folder / 'studies/tiny-smoke/study.json').read_bytes()


def _printed(folder: pathlib.Path, out: str) -> Any:
  del folder
  return out


def _files(*patterns: str) -> Callable[[pathlib.Path, str], Any]:
  """Returns what finds digests of files."""

  def found(folder: pathlib.Path, out: str) -> Any:
    del out
    return {
      path.relative_to(folder): hashlib.sha256(path.read_bytes()).digest()
      for pattern in patterns
      for path in folder.glob(pattern)
      if path.is_file()
    }

  return found


_TRAIN = (
  *('train', *TRAIN, *_DATA, *_MODEL),
  *('--gin.MIXTURE_OR_TASK_NAME=rule_train', '--gin.MODEL_DIR=model'),
  *('--gin.CHECKPOINT_PERIOD=2', '--gin.BATCH_ROWS=2'),
  *('--gin.EVAL_PERIOD=1', '--gin.EVAL_ROWS=2', '--gin.EVAL_EXAMPLES=1'),
  *('--gin.EVAL_BASE=True', '--gin.EVAL_MIXTURE=rule_eval'),
  *('--gin.LOCAL_CHECKPOINT_DIR=local', '--gin.LOCAL_CHECKPOINT_PERIOD=1'),
)
_EVAL = (
  *('eval', *SMALL, *_MODEL, '--gin_file=runs/eval.gin', *_DATA),
  *('--gin.MIXTURE_OR_TASK_NAME=rule_eval', '--gin.MODEL_DIR=evaluated'),
  *('--gin.CHECKPOINT_PATH=model', '--gin.EVAL_EXAMPLES=1'),
)
_STUDY = (
  *('study', 'tiny', RULE, '--gin.DATA_DIR=data', '--gin.CACHE_DIR=cache'),
  '--study_dir=studies',
)
_REPORT = ('report', RULE, '--format=json')


def subjects() -> list[Subject]:
  """Returns what is damaged."""
  resume = Reader('train', (*_TRAIN, '--gin.TRAIN_STEPS=5'), _trained)
  evaluate = Reader('eval', _EVAL, _evaluated)
  infer = Reader(
    'infer',
    (
      *('infer', *SMALL, *_MODEL, '--gin_file=runs/infer.gin', *_DATA),
      *('--gin.PROMPTS=prompts.txt', '--gin.CHECKPOINT_PATH=model'),
      *('--gin.MAX_NEW_TOKENS=2', '--gin.OUTPUT=made.jsonl'),
    ),
    _files('made.jsonl'),
  )
  export = Reader(
    'export', ('export', '--checkpoint=model', '--out=made'), _files('made/*')
  )
  contamination = Reader(
    'contamination',
    (
      *('contamination', 'rule_eval', RULE, '--corpus=prompts.txt'),
      *('--data_dir=data', '--results=model/eval/rule_eval', '--n=2'),
      *('--cache_dir=cache', '--processes=1', '--out=made'),
    ),
    _files('made/*'),
  )
  cache = Reader(
    'cache',
    (
      *('cache', '--gin_file=models/tiny.gin', '--gin_file=runs/train.gin'),
      *(*_DATA, '--gin.MIXTURE_OR_TASK_NAME=rule_train'),
      *('--gin.EVAL_MIXTURE=rule_eval', '--gin.MODEL_DIR=none'),
    ),
    # Nothing reads shard.json once there is a manifest.
    _files('cache/*/*/manifest.json', 'cache/*/*/*/[!s]*', 'cache/*/*/*/*.npy'),
  )
  report = Reader('report', (*_REPORT, 'model'), _printed)
  reported = Reader('report', (*_REPORT, 'studies'), _printed)
  inspect = Reader(
    'inspect', ('inspect', '--cache', *_DATA, '--format=json'), _printed
  )
  study = Reader('study', _STUDY, _studied)
  run = ('model', 'local')
  return [
    Subject(
      'checkpoint',
      'model/checkpoints/**/*',
      (resume, evaluate, infer, export),
      (*run, 'evaluated'),
    ),
    Subject('run', 'model/*', (resume, report), run),
    Subject('local copy', 'local/**/*', (resume,), run, 'model/checkpoints/4'),
    Subject(
      'cache',
      'cache/**/*',
      (resume, evaluate, inspect, cache),
      (*run, 'evaluated'),
    ),
    Subject(
      'results', 'model/eval*/**/*', (report, contamination, resume), run
    ),
    Subject('answers', 'evaluated/**/*', (evaluate,)),
    Subject('study', 'studies/**/*', (study, reported)),
  ]


@dataclasses.dataclass(frozen=True)
class Case:
  """One damage, and one command that meets it."""

  subject: Subject
  reader: Reader
  path: pathlib.Path
  damage: str

  def __str__(self) -> str:
    return f'{self.reader.name} after {self.path} was {self.damage}'

  def is_named(self, text: str) -> bool:
    """Returns whether a text names the file, or the folder that it is of."""
    parts = self.path.parts
    # A checkpoint, a cached split or an evaluation is at least so deep. What is
    # listed may be named below the folder that is.
    names = {
      '/'.join(parts[start:depth])
      for start in (0, 1)
      for depth in range(3, len(parts) + 1)
    }
    names.add(str(self.path))
    if self.damage == 'removed':  # Nobody knows where it was.
      names.add(self.path.name)
    return any(name in text for name in names)


class _Hangs(BaseException):
  """A command does not end."""


def _hang(*_) -> None:
  raise _Hangs


class _Captured:
  """What `Cli` prints, without pytest."""

  def __init__(self):
    self.out, self.error = io.StringIO(), io.StringIO()
    self.log = logging.StreamHandler(self.error)

  def readouterr(self) -> tuple[str, str]:
    """Returns what was printed since the last call."""
    found = self.out.getvalue(), self.error.getvalue()
    for stream in (self.out, self.error):
      stream.seek(0)
      stream.truncate()
    return found


class Campaign:
  """Damages files in a folder, and runs commands there."""

  def __init__(self, folder: pathlib.Path, seed: int = 0):
    self._folder, self._seed = folder, seed
    self._captured = _Captured()
    self._changed: set[str] = set()
    self._cli = Cli(folder, capture=self._captured)
    self._whole: dict[tuple[str, str], Any] = {}
    signal.signal(signal.SIGALRM, _hang)

  def prepare(self, studies: bool = True) -> None:
    """Makes what is damaged; the folder has `data`, and may have `cache`.

    Args:
      studies: Whether to run a study as well.
    """
    folder = self._folder
    (folder / 'prompts.txt').write_text('one two three four five six\n')
    (folder / 'experiments').mkdir(exist_ok=True)
    study = f'{TINY}TRAIN_STEPS = 2\nCHECKPOINT_PERIOD = 1\n'
    (folder / 'experiments/tiny.gin').write_text(study)
    for flags in (
      (*_TRAIN, '--gin.TRAIN_STEPS=2'),
      (*_TRAIN, '--gin.TRAIN_STEPS=4'),
      _EVAL,
      *([_STUDY] * studies),
    ):
      code, _, error = self._run(flags)
      assert code == 0, error[-3000:]
    (folder / 'kept').mkdir()
    made = ('model', 'local', 'evaluated', 'cache', *(['studies'] * studies))
    for name in made:
      (folder / name).rename(folder / 'kept' / name)
      self._restore(name)

  def _run(self, flags: Sequence[str]) -> tuple[int, str, str]:
    with (
      # They take most of the time, and read nothing more.
      mock.patch.object(document, 'figures', lambda sources: []),
      mock.patch.object(logging.root, 'handlers', [self._captured.log]),
      contextlib.redirect_stdout(self._captured.out),
      contextlib.redirect_stderr(self._captured.error),
    ):
      return self._cli(*flags)

  def _restore(self, name: str) -> None:
    shutil.rmtree(self._folder / name, ignore_errors=True)
    shutil.copytree(self._folder / 'kept' / name, self._folder / name)

  def _begin(self, subject: Subject) -> None:
    """Makes the folders of a subject as they were before all damage."""
    changed = {subject.pattern.partition('/')[0], *subject.changed}
    for name in self._changed | changed:
      self._restore(name)
    self._changed = changed
    if subject.without:
      shutil.rmtree(self._folder / subject.without)
    shutil.rmtree(self._folder / 'made', ignore_errors=True)
    (self._folder / 'made.jsonl').unlink(missing_ok=True)

  def _read(self, reader: Reader) -> tuple[int, str, str, Any]:
    """Runs a command; returns code, output, errors, and what it leaves."""
    signal.alarm(_PATIENCE)
    try:
      code, out, error = self._run(reader.flags)
    finally:
      signal.alarm(0)
    found = reader.found(self._folder, out) if code == 0 else None
    return code, out, error, found

  def _expected(self, case: Case) -> Any:
    key = case.subject.name, case.reader.name
    if key not in self._whole:
      self._begin(case.subject)
      code, _, error, self._whole[key] = self._read(case.reader)
      assert code == 0, error[-3000:]
    return self._whole[key]

  def cases(self, chosen: Sequence[Subject]) -> Iterator[Case]:
    """Yields all cases of some subjects."""
    for subject in chosen:
      for path in subject.files(self._folder / 'kept'):
        size = (self._folder / 'kept' / path).stat().st_size
        for damage, reader in itertools.product(DAMAGES, subject.readers):
          # Of an empty file, or one of a byte, less is left to damage.
          if size > 1 or damage == 'removed':
            yield Case(subject, reader, path, damage)

  def outcome(self, case: Case) -> str:
    """Returns what a command did, in one word and, if it is WRONG, more."""
    expected = self._expected(case)
    self._begin(case.subject)
    drawn = random.Random(f'{self._seed} {case.path} {case.damage}')
    DAMAGES[case.damage](self._folder / case.path, drawn)
    try:
      code, out, error, found = self._read(case.reader)
    except _Hangs:
      self._captured.readouterr()
      return 'WRONG: it hangs'
    except Exception as bug:
      self._captured.readouterr()
      where = traceback.extract_tb(bug.__traceback__)[-1]
      return (
        f'WRONG: {type(bug).__name__}: {bug} ({where.filename}:{where.lineno})'
      )
    lines = [line for line in error.splitlines() if 'error: ' in line]
    if code == 2 and len(lines) == 1 and case.is_named(lines[0]):
      return 'refused'
    if code:
      return f'WRONG: it ends with {code}: {error[-500:]}'
    if found == expected:
      return 'survived'
    if case.is_named(out + error):
      return 'survived, and said what is missing'
    return 'WRONG: another result, in silence'


def main(argv: Sequence[str] | None = None) -> int:
  """Runs the campaign; returns 1 if something went wrong."""
  parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--only', nargs='*', help='names of subjects')
  parser.add_argument('--share', type=float, default=1.0, help='of all cases')
  flags = parser.parse_args(argv)
  counts: dict[str, collections.Counter] = {}
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    kill_campaign.make_sources(folder)
    jax.config.update('jax_compilation_cache_dir', str(folder / 'compiled'))
    campaign = Campaign(folder, flags.seed)
    campaign.prepare()
    chosen = [s for s in subjects() if not flags.only or s.name in flags.only]
    drawn = random.Random(flags.seed)
    for case in campaign.cases(chosen):
      if drawn.random() >= flags.share:
        continue
      outcome = campaign.outcome(case)
      kind = outcome.partition(':')[0]
      counts.setdefault(case.subject.name, collections.Counter())[kind] += 1
      if kind == 'WRONG':
        print(f'{case}: {outcome}', flush=True)
  for subject, found in counts.items():
    right = found.total() - found['WRONG']
    listed = ', '.join(f'{kind} {count}' for kind, count in found.items())
    print(f'{subject}: {right} of {found.total()} ({listed})')
  return int(any(found['WRONG'] for found in counts.values()))


if __name__ == '__main__':
  sys.exit(main())
