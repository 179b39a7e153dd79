"""Accuracy on validation rows while a model trains."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from flan_jax.evaluation.evaluator import score_requests
from flan_jax.evaluation.requests import Request
from flan_jax.evaluation.scoring.rank import Scorer


class ValidationEvaluation:
  """Scores validation rows: the accuracy of each part, and their mean.

  Attributes:
    names: Names of the metrics: `accuracy` and `accuracy/PART`.
  """

  def __init__(self, queue: Sequence[Request], scorer: Scorer):
    self._queue = queue
    self._scorer = scorer
    parts = dict.fromkeys(request.split.name for request in queue)
    self.names = ('accuracy', *(f'accuracy/{part}' for part in parts))

  def __call__(self, params: Any) -> dict[str, float]:
    records = score_requests(self._queue, self._scorer, params)
    by_part: dict[str, list[bool]] = {}
    for record in records:
      by_part.setdefault(record['part'], []).append(record['correct'])
    values = {
      f'accuracy/{part}': 100 * float(np.mean(correct))
      for part, correct in by_part.items()
    }
    return {'accuracy': float(np.mean(list(values.values()))), **values}
