"""Metrics of the SeqIO tasks, for SeqIO's own evaluator."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np


def postprocess(rank: bool) -> Callable[..., Any]:
  """Returns the postprocessor of a task, with SeqIO's signature."""
  return _rank_key if rank else _stripped


def metric_fns(rank: bool) -> list[Callable[..., Any]]:
  """Returns the metrics of a task: accuracy of words, or of ranked options."""
  return [rank_accuracy if rank else accuracy]


def _stripped(text: str, example=None, is_target: bool = False) -> str:
  del example, is_target
  return text.strip()


def _rank_key(text: str, example: Mapping[str, Any], is_target: bool = False):
  """Returns (row, template, is correct) of one option."""
  del text, is_target
  return (
    bytes(example['id']),
    int(example['template']),
    bool(example['is_correct']),
  )


def accuracy(
  targets: Sequence[str], predictions: Sequence[str]
) -> dict[str, float]:
  """Share of predictions that equal their target, in percent."""
  pairs = zip(targets, predictions, strict=True)
  return {'accuracy': 100 * float(np.mean([t == p for t, p in pairs]))}


def rank_accuracy(
  targets: Sequence[tuple[bytes, int, bool]], scores: Sequence[float]
) -> dict[str, float]:
  """Share of (row, template) whose best option is correct, in percent.

  Ties go to the option that comes first.
  """
  best: dict[tuple[bytes, int], tuple[float, bool]] = {}
  for (row, template, correct), score in zip(targets, scores, strict=True):
    if (row, template) not in best or score > best[row, template][0]:
      best[row, template] = (score, correct)
  return {'accuracy': 100 * float(np.mean([c for _, c in best.values()]))}
