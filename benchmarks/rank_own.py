"""The scorers of this project, as sides of `rank_eval`."""

from collections.abc import Iterator
import contextlib
import importlib.metadata
import json
import pathlib
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.side_process import serve
from flan_jax.batches.packing import Example
from flan_jax.evaluation.scoring import rank, rank_batches
from flan_jax.model import DecoderConfig, abstract_params
from flan_jax.sharding import MeshConfig, make_mesh
from flan_jax.training import Checkpointer

_SCORERS = {'flan_jax': rank.Scorer, 'flan_jax_plain': rank.PlainScorer}


class OwnSide:
  """One scorer.

  Its task: `side`, `checkpoint`, `requests` and `tokens_per_batch`.
  """

  def __init__(self, task: dict[str, Any]):
    mesh = make_mesh(MeshConfig())
    record = Checkpointer.read_record(task['checkpoint'])
    config = DecoderConfig(**record['model'])
    self._params = Checkpointer.restore_params(
      task['checkpoint'], abstract_params(config, mesh)
    )
    self._scorer = _SCORERS[task['side']](
      config, mesh, task['tokens_per_batch']
    )
    requests = json.loads(pathlib.Path(task['requests']).read_text('utf-8'))
    self._examples = {
      dataset: [Example(row['prompt'], tuple(row['options'])) for row in rows]
      for dataset, rows in requests.items()
    }

  def prepare(self, dataset: str) -> dict[str, Any]:
    """Compiles what a dataset needs; returns scores, tokens and versions."""
    with _counted() as tokens:
      scores = self._scores(dataset)
    return {
      'scores': scores,
      'tokens': tokens,
      'versions': {'jax': importlib.metadata.version('jax')},
    }

  def score(self, dataset: str) -> None:
    """Scores every option of a dataset."""
    self._scores(dataset)

  def _scores(self, dataset: str) -> list[list[float]]:
    examples = self._examples[dataset]
    return [
      [
        score.without_end
        for score in rank.option_scores(options, [False] * len(options))
      ]
      for options in self._scorer.score(self._params, examples)
    ]


@contextlib.contextmanager
def _counted() -> Iterator[dict[str, int]]:
  """Counts what batches hold while a scorer makes them.

  Yields:
    `needed`: places that hold a token; `computed`: all places; `logits`:
    positions whose logits are computed; `batches`.
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
