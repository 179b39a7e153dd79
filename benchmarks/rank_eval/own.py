"""The two scorers of this project."""

from collections.abc import Iterator
import contextlib
import json
import pathlib
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.common import figures, weights
from benchmarks.common.side_process import serve
from flan_jax.batches.packing import Example
from flan_jax.evaluation.scoring import rank, rank_batches

_SCORERS = {'flan_jax': rank.Scorer, 'flan_jax_plain': rank.PlainScorer}


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
    return [
      [
        score.without_end
        for score in rank.option_scores(options, [False] * len(options))
      ]
      for options in self._scorer.score(self._params, self._examples[case])
    ]


@contextlib.contextmanager
def counted() -> Iterator[dict[str, int]]:
  """Counts the positions of a scorer's batches.

  Those that hold a token are `needed`, all are `computed`.
  """
  tokens = dict.fromkeys(('needed', 'computed', 'logits', 'batches'), 0)
  make = rank_batches.batches

  def counting(*arguments):
    for batch, owners in make(*arguments):
      tokens['needed'] += int(np.count_nonzero(batch['segments']))
      tokens['computed'] += batch['tokens'].size
      tokens['logits'] += batch['target_positions'].size
      tokens['batches'] += 1
      yield batch, owners

  with mock.patch.object(rank_batches, 'batches', counting):
    yield tokens


if __name__ == '__main__':
  serve(OwnSide)
