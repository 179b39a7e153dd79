"""Made-up records of evaluations, as `records.jsonl` holds them."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def records(
  part: str,
  predicted: Sequence[Sequence[int | None]],
  gold: Sequence[int],
  *,
  groups: Sequence[int] | None = None,
  written: Sequence[Sequence[bool]] | None = None,
  split: str = 'test',
) -> list[dict[str, Any]]:
  """Returns the records of a dataset whose options are ranked.

  Args:
    part: Name of the dataset.
    predicted: Template -> option of each row; None where it does not apply.
    gold: Right option of each row.
    groups: Group of each row; each row is its own if None.
    written: Template -> whether each row's written answer is an option.
    split: The split.
  """
  found = []
  for template, options in enumerate(predicted):
    for row, option in enumerate(options):
      if option is None:
        continue
      record = {
        'part': part,
        'split': split,
        'id': f'{part}/{row:04}',
        'group': str(row if groups is None else groups[row]),
        'template': template,
        'predicted': option,
        'gold': [gold[row]],
        'correct': option == gold[row],
      }
      if written is not None:
        record['options_generated'] = [0] if written[template][row] else []
      found.append(record)
  return found


def guesses(
  gold: Sequence[int], accuracy: float, templates: int, seed: int
) -> list[list[int]]:
  """Returns predictions of two classes that are right with a probability."""
  generator = np.random.default_rng(seed)
  right = generator.random((templates, len(gold))) < accuracy
  return np.where(right, gold, 1 - np.asarray(gold)).tolist()
