"""Compares generation on the CPU with that of `transformers`.

Prints JSON objects, the last one the summary; see benchmarks/README.md.
"""

from collections.abc import Sequence
import contextlib
import importlib.util
import json
import os
import pathlib
import sys

# JAX reads these when it is first imported.
os.environ['JAX_PLATFORMS'] = 'cpu'
os.environ['CUDA_VISIBLE_DEVICES'] = ''

from benchmarks.common import figures, flags, weights
from benchmarks.common.comparison import Comparison, Runner
from benchmarks.common.side_process import started
from benchmarks.generate import results
from benchmarks.generate.results import CASES, ENDED, EVEN, OWN, PEER
import flan_jax
from flan_jax.cache.framing import CacheConfig, Framing
from flan_jax.vocabulary.base import Vocabulary
from flan_jax.vocabulary.load import load_vocabulary

_MINI = pathlib.Path(flan_jax.__file__).parent / 'mini'
# Prompts of 20 to 300 tokens, from the mini corpus.
_PATTERNS = {
  'samsum': '{dialogue}\n\nSum this conversation up.',
  'squad_v1': '{context}\n\n{question}',
  'cnn_dailymail': '{article}\n\nWhat are the highlights?',
  'common_gen': 'Write a sentence with the words {concepts}.',
  'bool_q': '{passage}\n\nIs it true? {question}?',
  'gigaword': '{document}\n\nWrite a headline.',
}


def main(arguments: Sequence[str] | None = None) -> None:
  """Runs the comparison."""
  parser = flags.parser(__doc__)
  add = parser.add_argument
  add('--model', default=flags.MODEL, help='as in flan-jax import --from')
  add('--prompts', type=int, default=32, help='number of prompts')
  add('--new_tokens', type=int, default=48, help='most tokens of an answer')
  add('--rounds', type=int, default=5, help='turns of every side per case')
  flags.add_batch_sizes(parser, PEER)
  add('--work_dir', help='keeps the weights; default: a temporary folder')
  settings = parser.parse_args(arguments)
  modules, left_out = {OWN: 'benchmarks.generate.own'}, {}
  if all(map(importlib.util.find_spec, ('torch', 'transformers'))):
    modules[PEER] = 'benchmarks.generate.hugging_face'
  else:
    left_out[PEER] = "needs PyTorch: pip install '.[reference]'"
  with figures.work_folder(settings.work_dir, 'generate') as folder:
    # What import and export print is not JSON.
    with contextlib.redirect_stdout(sys.stderr):
      paths = weights.open_model(settings.model, folder)
    checkpoint, exported = map(str, paths)
    vocabulary = load_vocabulary(checkpoint)
    prompts = _prompts(vocabulary, settings.prompts)
    task = {
      'checkpoint': checkpoint,
      'hugging_face': exported,
      'prompts': prompts,
      'new_tokens': settings.new_tokens,
      # What ends an answer.
      'ends': {EVEN: None, ENDED: vocabulary.eos_id},
    }
    comparison = Comparison(required=OWN)
    with started(modules, task) as sides:
      for case in CASES:
        sizes = comparison.prepare_all(sides, case, PEER, settings.batch_sizes)
        runners = [Runner(OWN)]
        if sizes:
          runners.append(Runner(PEER, min(sizes, key=sizes.get)))
        work = {
          runner: results.generated(comparison, runner, case)
          for runner in runners
        }
        for number in range(settings.rounds):
          comparison.take_turns(sides, case, number, work)
  figures.print_line(
    **results.summary(comparison, vocabulary, prompts),
    new_tokens=settings.new_tokens,
    model=settings.model,
    left_out=left_out,
    rounds=settings.rounds,
    **figures.machine(),
  )


def _prompts(vocabulary: Vocabulary, count: int) -> list[list[int]]:
  """Returns the tokens of prompts, taking the patterns in turn."""
  framing = Framing.of(
    CacheConfig('cache', prompt_format=weights.PROMPT_FORMAT), vocabulary
  )
  prompts = []
  for number in range(count):
    turn, place = divmod(number, len(_PATTERNS))
    name, pattern = list(_PATTERNS.items())[place]
    lines = (_MINI / f'{name}.jsonl').read_text('utf-8').splitlines()
    row = json.loads(lines[turn % len(lines)])
    if isinstance(row.get('concepts'), list):
      row['concepts'] = ', '.join(row['concepts'])
    text = pattern.format(**row)
    prompts.append(framing.prompt(vocabulary.encode(text)))
  return prompts


if __name__ == '__main__':
  main()
