"""Accuracy on validation rows while a model trains."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from flan_jax.evaluation.models import Models, Session
from flan_jax.evaluation.ranked import is_right
from flan_jax.evaluation.requests import Request


class ValidationEvaluation:
  """Ranks validation rows: the accuracy of each part, and their mean.

  Attributes:
    names: Names of the metrics: `accuracy` and `accuracy/PART`.
  """

  def __init__(self, queue: Sequence[Request], models: Models):
    self._queue = queue
    self._models = models
    parts = dict.fromkeys(request.split.name for request in queue)
    self.names = ('accuracy', *(f'accuracy/{part}' for part in parts))

  def __call__(self, params: Any) -> dict[str, float]:
    by_part: dict[str, list[bool]] = {}
    right = is_right(self._queue, Session(self._models, params))
    for request, correct in zip(self._queue, right, strict=True):
      by_part.setdefault(request.split.name, []).append(correct)
    values = {
      f'accuracy/{part}': 100 * float(np.mean(correct))
      for part, correct in by_part.items()
    }
    return {'accuracy': float(np.mean(list(values.values()))), **values}
