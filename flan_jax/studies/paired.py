"""Paired comparisons of arms, from the records of their evaluations.

All arms answer the same rows. A statistic is computed for each template,
averaged over templates, then over datasets. The bootstrap draws groups of rows
within each dataset, the same ones for all arms, templates and seeds.
"""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any

import numpy as np

from flan_jax.definitions import registry
from flan_jax.errors import UserError
from flan_jax.evaluation.metrics.bootstrap import RESAMPLES, Resamples
from flan_jax.evaluation.metrics.intervals import MOST_TOO_FEW


@dataclasses.dataclass(frozen=True)
class Answers:
  """What one arm answered to the test rows of one dataset.

  R is rows, ordered by id, T templates and O options.

  Attributes:
    ids: Row ids, [R].
    group: Index of the group of each row, int [R].
    asked: Whether a template applies to a row, bool [T, R].
    predicted: Option ranked first, int [T, R].
    gold: Right option, the first of several, int [R].
    right: Whether the option ranked first is right, bool [T, R].
    valid: Whether the written answer is one of the options, bool [T, R]; None
      if the model wrote none.
    classes: Number of classes; 0 if rows have their own options.
  """

  ids: tuple[str, ...]
  group: np.ndarray
  asked: np.ndarray
  predicted: np.ndarray
  gold: np.ndarray
  right: np.ndarray
  valid: np.ndarray | None
  classes: int

  def macro_f1(self, weight_BxR: np.ndarray) -> np.ndarray:
    """Returns the mean over templates of the macro-F1, in percent.

    The mean is over the classes that occur as gold or prediction. Where rows
    have their own options, this is the accuracy.

    Args:
      weight_BxR: How often each of B resamples draws a row.

    Returns:
      float [B].
    """
    if not self.classes:
      return _mean_rate(weight_BxR, self.asked, self.right)
    options = np.arange(self.classes)
    found_BxT = []
    for asked_R, predicted_R in zip(self.asked, self.predicted, strict=True):
      said_RxO = (predicted_R[:, None] == options) & asked_R[:, None]
      gold_RxO = (self.gold[:, None] == options) & asked_R[:, None]
      hits_BxO = weight_BxR @ (said_RxO & gold_RxO)
      total_BxO = weight_BxR @ said_RxO + weight_BxR @ gold_RxO
      f1_BxO = 2 * hits_BxO / np.maximum(total_BxO, 1)
      occurring_B = np.maximum((total_BxO > 0).sum(axis=1), 1)
      found_BxT.append(f1_BxO.sum(axis=1) / occurring_B)
    return 100 * np.mean(found_BxT, axis=0)

  def valid_answers(self, weight_BxR: np.ndarray) -> np.ndarray:
    """Returns how often the written answer is an option, in percent, [B].

    Raises:
      UserError: The model was not asked to write.
    """
    if self.valid is None:
      raise UserError(
        'the model wrote no answers: add WRITE_OPTIONS to the settings of the '
        'evaluation'
      )
    return _mean_rate(weight_BxR, self.asked, self.valid)

  def top_share(self, weight_BxR: np.ndarray) -> np.ndarray:
    """Returns the share of the most frequent prediction, in percent, [B]."""
    options = np.arange(self.predicted.max() + 1)
    found = []
    for asked_R, predicted_R in zip(self.asked, self.predicted, strict=True):
      said_RxO = (predicted_R[:, None] == options) & asked_R[:, None]
      count_BxO = weight_BxR @ said_RxO
      found.append(count_BxO.max(axis=1) / count_BxO.sum(axis=1).clip(1))
    return 100 * np.mean(found, axis=0)


def _mean_rate(weight_BxR, asked_TxR, hit_TxR):
  hits_BxT = weight_BxR @ (hit_TxR & asked_TxR).T
  return 100 * np.mean(hits_BxT / (weight_BxR @ asked_TxR.T).clip(1), axis=1)


STATISTICS = {
  'macro_f1': Answers.macro_f1,
  'valid_answers': Answers.valid_answers,
  'top_share': Answers.top_share,
}


def answers_of(
  records: Sequence[Mapping[str, Any]], split: str = 'test'
) -> dict[str, Answers]:
  """Returns dataset part -> the answers to its ranked rows.

  Args:
    records: The records of an evaluation.
    split: The split whose rows are taken.
  """
  by_part: dict[str, list[Mapping[str, Any]]] = {}
  for record in records:
    if record['split'] == split and 'predicted' in record:
      by_part.setdefault(record['part'], []).append(record)
  return {part: _answers(part, found) for part, found in by_part.items()}


def _answers(part: str, records: Sequence[Mapping[str, Any]]) -> Answers:
  about = {record['id']: record for record in records}
  ids = sorted(about)
  rows = {row_id: n for n, row_id in enumerate(ids)}
  templates = sorted({record['template'] for record in records})
  order = {template: n for n, template in enumerate(templates)}
  shape = (len(templates), len(ids))
  asked, right, valid = (np.zeros(shape, bool) for _ in range(3))
  predicted = np.zeros(shape, int)
  for record in records:
    place = order[record['template']], rows[record['id']]
    asked[place], right[place] = True, record['correct']
    predicted[place] = record['predicted']
    valid[place] = bool(record.get('options_generated'))
  wrote = all('options_generated' in record for record in records)
  _, group = np.unique(
    [str(about[row_id]['group']) for row_id in ids], return_inverse=True
  )
  return Answers(
    ids=tuple(ids),
    group=group,
    asked=asked,
    predicted=predicted,
    gold=np.array([about[row_id]['gold'][0] for row_id in ids]),
    right=right,
    valid=valid if wrote else None,
    classes=len(registry.find_part(part)[1].choices or ()),
  )


def draws(answers: Answers, seed: int = 0) -> np.ndarray:
  """Returns how often each resample draws a row, with all rows first.

  Args:
    answers: Rows and their groups. Groups are drawn, with replacement.
    seed: Differs between datasets, whose rows are drawn independently.

  Returns:
    int [1 + RESAMPLES, R].
  """
  drawn = Resamples.of(answers.group, seed=seed).weights()
  first = np.ones((1, len(answers.group)), drawn.dtype)
  # Sums of products of small integers would overflow.
  return np.concatenate([first, drawn]).astype(int)


@dataclasses.dataclass(frozen=True)
class Difference:
  """One arm less another, in percentage points.

  Attributes:
    values: The mean of each arm over datasets and seeds.
    difference: The first less the second.
    error: Its standard error: that of the rows by the bootstrap, and that of
      the seeds, added in squares.
    interval: 95 % bootstrap interval over rows.
    datasets: Number of datasets.
    rows: Number of rows.
    groups: Number of groups of rows.
    seeds: Number of seeds.
  """

  values: tuple[float, float]
  difference: float
  error: float
  interval: tuple[float, float]
  datasets: int
  rows: int
  groups: int
  seeds: int

  @property
  def shown(self) -> bool:
    """Whether the difference is at least twice its standard error.

    Where all groups agree, every resample does, and the error is 0. That says
    something only of many groups: if 20 agree, at most 15 % of all groups
    disagree, with 95 % confidence (the rule of three).
    """
    if self.error == 0:
      return self.difference != 0 and self.groups >= MOST_TOO_FEW
    return abs(self.difference) >= 2 * self.error


def compare(
  first: Sequence[Mapping[str, Answers]],
  second: Sequence[Mapping[str, Answers]],
  statistic: str,
) -> Difference:
  """Compares two arms on the datasets that both answered.

  Args:
    first: Dataset -> answers of one arm, for each seed.
    second: The same of the other. An arm that does not train has one seed,
      which is compared with every seed of the other.
    statistic: One of `STATISTICS`.

  Raises:
    UserError: They answered different rows, or have no dataset in common.
    ValueError: They have different numbers of seeds, neither of which is one.
  """
  names = [name for name in first[0] if name in second[0]]
  if not names:
    raise UserError('the arms have no dataset in common')
  seeds = max(len(first), len(second))
  if {len(first), len(second)} - {1, seeds}:
    raise ValueError(f'{len(first)} seeds and {len(second)} are not paired')
  totals = np.zeros((2, seeds, 1 + RESAMPLES))
  for number, name in enumerate(names):
    weight_BxR = draws(first[0][name], number)
    for side, arms in enumerate((first, second)):
      for seed in range(seeds):
        answers = arms[seed % len(arms)][name]
        if answers.ids != first[0][name].ids:
          raise UserError(
            f'{name}: the arms answered different rows; give both the same '
            'MAX_EVAL_ROWS and data'
          )
        totals[side, seed] += STATISTICS[statistic](answers, weight_BxR)
  means_2xSxB = totals / len(names)
  by_seed = means_2xSxB[0] - means_2xSxB[1]
  difference_B = by_seed.mean(axis=0)
  resampled = difference_B[1:]
  of_seeds = by_seed[:, 0].var(ddof=1) / seeds if seeds > 1 else 0.0
  low, high = np.percentile(resampled, [2.5, 97.5])
  values = means_2xSxB[:, :, 0].mean(axis=1).tolist()
  return Difference(
    values=(values[0], values[1]),
    difference=float(difference_B[0]),
    error=float(np.sqrt(resampled.var(ddof=1) + of_seeds)),
    interval=(float(low), float(high)),
    datasets=len(names),
    rows=sum(len(first[0][name].ids) for name in names),
    groups=sum(len(np.unique(first[0][name].group)) for name in names),
    seeds=seeds,
  )
