"""Loss and accuracy on validation rows while a model trains."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from flan_jax.cache.cached_split import CachedSplit
from flan_jax.cache.store import CacheStore
from flan_jax.definitions.mixture_plan import MixturePlan
from flan_jax.evaluation.eval_parts import eval_parts, validation_split
from flan_jax.evaluation.models import Models, Session
from flan_jax.evaluation.ranked import gold_scores
from flan_jax.evaluation.requests import Request, requests
from flan_jax.rendering.exemplars import PER_ROW, Exemplars

ACCURACY, LOSS = 'accuracy', 'loss'


class ValidationEvaluation:
  """Scores the right answers of validation rows, and ranks their options.

  Attributes:
    names: Names of the metrics. `accuracy/PART` is in percent, for parts with
      options, and `accuracy` their mean. `loss/PART` is in nats per token of
      the right answers, as the loss of training, and `loss` that of all rows
      together.
  """

  def __init__(self, queue: Sequence[Request], models: Models):
    self._queue = queue
    self._models = models
    ranked = dict.fromkeys(r.split.name for r in queue if r.ranked)
    parts = dict.fromkeys(request.split.name for request in queue)
    self.names = (
      *_names(ACCURACY, ranked),
      *_names(LOSS, parts),
    )

  def __call__(self, params: Any) -> dict[str, float]:
    right: dict[str, list[bool]] = {}
    sums: dict[str, list[tuple[float, int]]] = {}
    found = gold_scores(self._queue, Session(self._models, params))
    for request, (score, first) in zip(self._queue, found, strict=True):
      part = request.split.name
      sums.setdefault(part, []).append((score.total, score.tokens))
      if first is not None:
        right.setdefault(part, []).append(first)
    accuracies = [100 * float(np.mean(r)) for r in right.values()]
    losses = [_loss(scores) for scores in sums.values()]
    everything = [score for scores in sums.values() for score in scores]
    values = [float(np.mean(accuracies)), *accuracies] if accuracies else []
    values += [_loss(everything), *losses]
    return dict(zip(self.names, values, strict=True))


def _names(metric: str, parts: Iterable[str]) -> list[str]:
  named = [f'{metric}/{part}' for part in parts]
  return [metric, *named] if named else []


def _loss(scores: Sequence[tuple[float, int]]) -> float:
  """Returns the mean over tokens from sums of log-likelihoods and tokens."""
  total, tokens = np.sum(scores, axis=0)
  return float(-total / tokens)


def make_validation(
  store: CacheStore,
  mixture: MixturePlan | None,
  trained: Sequence[CachedSplit],
  models: Models,
  max_rows: int | None,
  seed: int,
  exemplars: Exemplars = PER_ROW,
) -> ValidationEvaluation | None:
  """Returns what scores the validation rows of a mixture.

  Without a mixture, these are the validation rows of the `trained` splits, at
  most `max_rows` of each; None are all. `seed` draws `exemplars`, see
  `eval_parts`.

  Returns:
    None if no part has validation rows.
  """
  if mixture is None:
    splits = [validation_split(store, split.part) for split in trained]
  else:
    parts = eval_parts(store, mixture, seed, exemplars)
    splits = [part.validation for part in parts]
  queue = [
    request
    for split in splits
    if split is not None
    for request in requests(split, models.framing, max_rows=max_rows)
  ]
  return ValidationEvaluation(queue, models) if queue else None
