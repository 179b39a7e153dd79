"""The generator of this project, as `flan-jax infer` runs it."""

from typing import Any

from benchmarks.common import figures, weights
from benchmarks.common.side_process import serve
from flan_jax.evaluation.generation.generator import Generator
from flan_jax.vocabulary.load import load_vocabulary


class OwnSide:
  """Answers the prompts of its task, greedily.

  Its task: `checkpoint`, `prompts`, `new_tokens` and, by case, `ends`.
  """

  def __init__(self, task: dict[str, Any]):
    self._task = task
    config, mesh, self._params = weights.restore(task['checkpoint'])
    size = load_vocabulary(task['checkpoint']).size
    self._generators = {
      # No token is negative, so that nothing ends an answer.
      case: Generator(
        config, mesh, [-1 if end is None else end], vocab_size=size
      )
      for case, end in task['ends'].items()
    }

  def prepare(self, case: str) -> dict[str, Any]:
    """Compiles the programs; returns the answers with their end tokens."""
    return {
      'answers': self._generate(case),
      'versions': figures.versions(['jax']),
    }

  def run(self, case: str) -> None:
    """Answers all prompts."""
    self._generate(case)

  def _generate(self, case: str) -> list[list[int]]:
    prompts, most = self._task['prompts'], self._task['new_tokens']
    answers = self._generators[case].answers(
      self._params, prompts, [most] * len(prompts)
    )
    # The generator computes an end token too, but does not return it.
    end = self._task['ends'][case]
    return [
      tokens if len(tokens) == most else [*tokens, end]
      for _, tokens in sorted(answers)
    ]


if __name__ == '__main__':
  serve(OwnSide)
