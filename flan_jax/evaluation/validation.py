"""Accuracy on validation rows while a model trains."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from flan_jax.cache.cached_split import CachedSplit
from flan_jax.cache.store import CacheStore
from flan_jax.definitions.mixture_plan import MixturePlan
from flan_jax.evaluation.eval_parts import eval_parts, validation_split
from flan_jax.evaluation.models import Models, Session
from flan_jax.evaluation.ranked import is_right
from flan_jax.evaluation.requests import Request, requests


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


def make_validation(
  store: CacheStore,
  mixture: MixturePlan | None,
  trained: Sequence[CachedSplit],
  models: Models,
  max_rows: int | None,
  seed: int,
) -> ValidationEvaluation | None:
  """Returns what scores the validation rows of a mixture.

  Without a mixture, these are the validation rows of the `trained` splits, at
  most `max_rows` of each; None are all. Exemplars are drawn by `seed`.

  Returns:
    None if no part has validation rows that can be ranked.
  """
  if mixture is None:
    splits = [validation_split(store, split.part) for split in trained]
  else:
    splits = [part.validation for part in eval_parts(store, mixture, seed)]
  queue = [
    request
    for split in splits
    if split is not None and split.rows and 'correct' in split.rows[0]
    for request in requests(split, models.framing, max_rows=max_rows)
  ]
  return ValidationEvaluation(queue, models) if queue else None
