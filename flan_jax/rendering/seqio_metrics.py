"""Metrics of the SeqIO tasks, for SeqIO's own evaluator."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def stripped(text: str, **kwargs) -> str:
  """Postprocesses the words of an answer."""
  del kwargs
  return text.strip()


def rank_key(text: str, example: Mapping[str, Any], is_target: bool = False):
  """Postprocesses one option to (row, template, is correct)."""
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
