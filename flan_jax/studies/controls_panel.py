"""The panel of `controls`: endpoints that the gin file fixes beforehand."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flan_jax.errors import ConfigError, nearest
from flan_jax.studies.collect import CellResult, records_of
from flan_jax.studies.design import StudyDesign
from flan_jax.studies.paired import STATISTICS, Answers, answers_of, compare

# Arms that are the best of several on validation rows: name -> the arms.
_BEST = 'best of'
_FIELDS = ('evaluation', 'statistic', 'comparisons')

# Arm, hold-out and label -> dataset -> answers, for each seed.
_Found = dict[tuple[str, str, str], list[dict[str, Answers]]]


def check_endpoints(design: StudyDesign) -> None:
  """Raises ConfigError if an endpoint has a field or arm that is unknown."""
  best = design.endpoints.get(_BEST, {})
  arms = {*design.arms, *best}
  for name, endpoint in design.endpoints.items():
    if name == _BEST:
      continue
    for field in {*endpoint, *_FIELDS}:
      if field not in _FIELDS or field not in endpoint:
        raise ConfigError(
          f'endpoint {name!r} has the fields {", ".join(_FIELDS)}; check '
          f'{field!r}'
        )
    if endpoint['statistic'] not in STATISTICS:
      raise ConfigError(
        f'endpoint {name!r}: no statistic {endpoint["statistic"]!r}; there are '
        f'{", ".join(STATISTICS)}'
      )
    for pair in endpoint['comparisons']:
      for arm in pair:
        if arm not in arms:
          raise ConfigError(
            f'endpoint {name!r}: no arm {arm!r}{nearest(arm, arms)}'
          )


def controls_panel(
  design: StudyDesign, results: Sequence[CellResult]
) -> dict[str, Any]:
  """Returns one line for each endpoint, hold-out and pair of arms.

  A difference is `shown` if it is at least twice its standard error. Pairs of
  which an arm is not finished are left out. `best` says which arm the
  validation rows chose, where an arm is the best of several.
  """
  tests, validations = _read(results, 'test'), _read(results, 'validation')
  best = design.endpoints.get(_BEST, {})
  lines = []
  for name, endpoint in design.endpoints.items():
    if name == _BEST:
      continue
    label, statistic = endpoint['evaluation'], endpoint['statistic']
    for holdout in design.holdouts:
      for pair in endpoint['comparisons']:
        arms = [
          _best(best[arm], holdout, label, validations) if arm in best else arm
          for arm in pair
        ]
        keys = [(arm, holdout, label) for arm in arms]
        if not all(key in tests for key in keys):
          continue
        found = compare(tests[keys[0]], tests[keys[1]], statistic)
        chosen = [a for a, given in zip(arms, pair, strict=True) if a != given]
        lines.append(
          {
            'endpoint': name,
            'holdout': holdout,
            'first': pair[0],
            'second': pair[1],
            'best': chosen[0] if chosen else None,
            'statistic': statistic,
            'datasets': found.datasets,
            'rows': found.rows,
            'seeds': found.seeds,
            'first is': found.values[0],
            'second is': found.values[1],
            'difference': found.difference,
            'error': found.error,
            'low': found.interval[0],
            'high': found.interval[1],
            'shown': found.shown,
          }
        )
  return {'endpoints': lines}


def _read(results: Sequence[CellResult], split: str) -> _Found:
  found: _Found = {}
  for result in results:
    if not result.finished:
      continue
    for evaluation, finished in result.evaluations:
      cell = result.cell
      answers = answers_of(records_of(finished, evaluation), split)
      key = (cell.arm, cell.holdout, evaluation.label)
      found.setdefault(key, []).append(answers)
  return found


def _best(
  arms: Sequence[str], holdout: str, label: str, validations: _Found
) -> str | None:
  """Returns the arm that is best on validation rows, the first of equals."""
  values: Mapping[str, float] = {
    arm: _validation_mean(validations[arm, holdout, label])
    for arm in arms
    if (arm, holdout, label) in validations
  }
  return max(values, key=values.get, default=None)


def _validation_mean(found: Sequence[Mapping[str, Answers]]) -> float:
  values = [
    answers.macro_f1(np.ones((1, len(answers.ids))))[0]
    for answers in found[0].values()
  ]
  return float(np.mean(values)) if values else -1.0
