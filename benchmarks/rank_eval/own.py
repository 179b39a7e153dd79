"""The two scorers of this project."""

from collections.abc import Iterator, Sequence
import contextlib
import json
import pathlib
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.common import figures, weights
from benchmarks.common.side_process import serve
from flan_jax.batches.packing import Capacity, Example
from flan_jax.evaluation.scoring import rank, rank_batches, trunks

# Rows of one option are the shortest of these tokens, doubled any number of
# times, that hold it; the capacity of their targets is a multiple of 16.
_SHORTEST_ROW, _TARGET_ROUND = 64, 16


class PlainScorer:
  """Scores one option per row, after a prompt of its own.

  Attributes:
    scorer: Scores the rows.
  """

  def __init__(self, *arguments):
    self.scorer = rank.Scorer(*arguments)

  def scored(
    self, params: Any, examples: Sequence[Example]
  ) -> Iterator[tuple[int, list[np.ndarray]]]:
    """Yields (index of the example, its log-likelihoods); see `Scorer`."""
    with mock.patch.object(rank_batches, 'groups_of', _one_option_per_row):
      yield from self.scorer.scored(params, examples)


def _one_option_per_row(
  examples: Sequence[Example], *_
) -> list[rank_batches.Group]:
  by_length: dict[int, list[rank_batches.Item]] = {}
  for index, example in enumerate(examples):
    for first, target in enumerate(example.targets):
      alone = Example(example.prompt, (target,))
      length = _SHORTEST_ROW
      while length < alone.length:
        length *= 2
      item = rank_batches.Item(index, first, alone)
      by_length.setdefault(length, []).append(item)
  return [
    rank_batches.Group(tuple(items), _capacity(length, items))
    for length, items in sorted(by_length.items(), reverse=True)
  ]


def _capacity(length: int, items: Sequence[rank_batches.Item]) -> Capacity:
  most = max(item.example.predicted for item in items)
  targets = -(-most // _TARGET_ROUND) * _TARGET_ROUND
  return Capacity(length, targets, segments=1)


_SCORERS = {'flan_jax': rank.Scorer, 'flan_jax_plain': PlainScorer}


class OwnSide:
  """One scorer.

  Its task: `side`, `checkpoint`, `requests` and `tokens_per_batch`.
  """

  def __init__(self, task: dict[str, Any]):
    config, mesh, self._params = weights.restore(task['checkpoint'])
    make = _SCORERS[task['side']]
    self._scorer = make(config, mesh, task['tokens_per_batch'])
    requests = json.loads(pathlib.Path(task['requests']).read_text('utf-8'))
    self._examples = {
      dataset: [Example(row['prompt'], tuple(row['options'])) for row in rows]
      for dataset, rows in requests.items()
    }

  def prepare(self, case: str) -> dict[str, Any]:
    """Compiles the programs; returns scores, tokens and versions."""
    with counted() as tokens:
      scores = self._scores(case)
    return {
      'scores': scores,
      'tokens': tokens,
      'versions': figures.versions(['jax']),
    }

  def run(self, case: str) -> None:
    """Scores every option of a dataset."""
    self._scores(case)

  def _scores(self, case: str) -> list[list[float]]:
    found = dict(self._scorer.scored(self._params, self._examples[case]))
    return [
      [
        score.without_end
        for score in rank.option_scores(options, [False] * len(options))
      ]
      for _, options in sorted(found.items())
    ]


@contextlib.contextmanager
def counted() -> Iterator[dict[str, int]]:
  """Counts the positions of a scorer's batches.

  Those that hold a token are `needed`, all are `computed`.
  """
  tokens = dict.fromkeys(('needed', 'computed', 'logits', 'batches'), 0)
  make = rank_batches.batches

  def counting(*arguments):
    trunk = ()
    for batch in make(*arguments):
      arrays = batch.arrays
      if batch.trunk != trunk:
        trunk = batch.trunk
        tokens['needed'] += len(trunk)
        tokens['computed'] += trunks.padded_length(len(trunk))
      tokens['needed'] += int(np.count_nonzero(arrays['segments']))
      tokens['computed'] += arrays['tokens'].size
      tokens['logits'] += arrays['target_positions'].size
      tokens['batches'] += 1
      yield batch

  with mock.patch.object(rank_batches, 'batches', counting):
    yield tokens


if __name__ == '__main__':
  serve(OwnSide)
