"""The generator of this project, as `flan-jax infer` runs it."""

import json
import pathlib
from typing import Any

from benchmarks.common import figures, weights
from benchmarks.common.side_process import serve
from flan_jax.evaluation.generation.generator import Generator
from flan_jax.vocabulary.load import load_vocabulary


class OwnSide:
  """Answers the prompts of its task, greedily.

  Its task: `checkpoint`, `prompts`, `new_tokens`, `tokens_per_batch`.
  """

  def __init__(self, task: dict[str, Any]):
    path = pathlib.Path(task['prompts'])
    self._prompts = json.loads(path.read_text('utf-8'))
    self._most = task['new_tokens']
    config, mesh, self._params = weights.restore(task['checkpoint'])
    vocabulary = load_vocabulary(task['checkpoint'])
    self._end = vocabulary.eos_id
    self._generator = Generator(
      config,
      mesh,
      [self._end],
      task['tokens_per_batch'],
      vocab_size=vocabulary.size,
    )

  def prepare(self, case: str) -> dict[str, Any]:
    """Compiles the programs; returns the answers with their end tokens."""
    return {
      'answers': self._generate(case),
      'versions': figures.versions(['jax']),
    }

  def run(self, case: str) -> None:
    """Answers all prompts of a dataset."""
    self._generate(case)

  def _generate(self, case: str) -> list[list[int]]:
    prompts = self._prompts[case]
    answers = self._generator.answers(
      self._params, prompts, [self._most] * len(prompts)
    )
    # The generator computes an end token too, but does not return it.
    return [
      tokens if len(tokens) == self._most else [*tokens, self._end]
      for _, tokens in sorted(answers)
    ]


if __name__ == '__main__':
  serve(OwnSide)
