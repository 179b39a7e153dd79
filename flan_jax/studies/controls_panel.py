"""The panel of `controls`: endpoints that the gin file fixes beforehand."""

from collections.abc import Collection, Iterator, Mapping, Sequence
import contextlib
from typing import Any

import numpy as np

from flan_jax.errors import ConfigError, UserError, nearest
from flan_jax.setting_types import Text, check
from flan_jax.studies.collect import CellResult, records_of
from flan_jax.studies.design import StudyDesign
from flan_jax.studies.paired import (
  STATISTICS,
  Answers,
  Difference,
  answers_of,
  compare,
)

# Arms that are the best of several on validation rows: name -> the arms.
_BEST = 'best of'
_FIELDS = {
  'evaluation': Text,
  'statistic': Text,
  'comparisons': Sequence[Any],
}
_ENDPOINTS = Mapping[Text, Mapping[Text, Any]]

# Arm, hold-out and label -> dataset -> answers, for each seed.
_Found = dict[tuple[str, str, str], list[dict[str, Answers]]]


def check_endpoints(design: StudyDesign) -> None:
  """Raises ConfigError if an endpoint names something that is unknown."""
  check('study.endpoints', _ENDPOINTS, design.endpoints)
  best = design.endpoints.get(_BEST, {})
  check(repr(_BEST), Mapping[Text, Sequence[Text]], best)
  labels = {e.label for cell in design.cells() for e in cell.evaluations}
  for name, arms in best.items():
    for arm in arms:
      _check(f'best of {name!r}', 'arm', arm, design.arms)
  for name, endpoint in _endpoints(design).items():
    what = f'endpoint {name!r}'
    for field in dict.fromkeys((*endpoint, *_FIELDS)):
      if field not in _FIELDS or field not in endpoint:
        raise ConfigError(
          f'{what} has the fields {", ".join(_FIELDS)}; check {field!r}'
        )
    for field, kind in _FIELDS.items():
      check(f'{field} of {what}', kind, endpoint[field])
    _check(what, 'statistic', endpoint['statistic'], STATISTICS)
    _check(what, 'evaluation', endpoint['evaluation'], labels)
    for pair in endpoint['comparisons']:
      if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise ConfigError(f'{what}: {pair!r} is not a pair of arms')
      for arm in pair:
        _check(what, 'arm', arm, {*design.arms, *best})


def _endpoints(design: StudyDesign) -> dict[str, Mapping[str, Any]]:
  return {n: found for n, found in design.endpoints.items() if n != _BEST}


def _check(what: str, kind: str, name: str, known: Collection[str]) -> None:
  if name not in known:
    hint = nearest(name, known) or f'; there are {", ".join(sorted(known))}'
    raise ConfigError(f'{what}: no {kind} {name!r}{hint}')


def controls_panel(
  design: StudyDesign, results: Sequence[CellResult]
) -> dict[str, Any]:
  """Returns one line for each endpoint, hold-out and pair of arms.

  A difference is `shown` if it is at least twice its standard error. Pairs of
  which an arm is not finished under every seed are left out. `best` says which
  arm the validation rows chose, where an arm is the best of several; all of
  them must be finished.

  Raises:
    UserError: Two arms cannot be compared; names the endpoint.
  """
  cells = [(r.cell.arm, r.cell.holdout, r.finished) for r in results]
  open_ = {(arm, holdout) for arm, holdout, finished in cells if not finished}
  results = [r for r in results if (r.cell.arm, r.cell.holdout) not in open_]
  tests, validations = _read(results, 'test'), _read(results, 'validation')
  best = design.endpoints.get(_BEST, {})
  lines = []
  for name, endpoint in _endpoints(design).items():
    label, statistic = endpoint['evaluation'], endpoint['statistic']
    for holdout in design.holdouts:
      for pair in endpoint['comparisons']:
        candidates = [best.get(arm, (arm,)) for arm in pair]
        if any((arm, holdout) in open_ for arms in candidates for arm in arms):
          continue
        arms = [
          _best(found, holdout, label, validations) if arm in best else arm
          for arm, found in zip(pair, candidates, strict=True)
        ]
        keys = [(arm, holdout, label) for arm in arms]
        if not all(key in tests for key in keys):
          continue
        with _naming(name, holdout, arms):
          found = compare(tests[keys[0]], tests[keys[1]], statistic)
        about = {'endpoint': name, 'holdout': holdout, 'statistic': statistic}
        lines.append(_line(about, pair, arms, found))
  return {'endpoints': lines}


def _line(
  about: Mapping[str, str],
  pair: Sequence[str],
  arms: Sequence[str],
  found: Difference,
) -> dict[str, Any]:
  """Returns the line of a comparison; `arms` are those chosen for `pair`."""
  chosen = [a for a, given in zip(arms, pair, strict=True) if a != given]
  return {
    'endpoint': about['endpoint'],
    'holdout': about['holdout'],
    'first': pair[0],
    'second': pair[1],
    'best': chosen[0] if chosen else None,
    'statistic': about['statistic'],
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


@contextlib.contextmanager
def _naming(endpoint: str, holdout: str, arms: Sequence[str]) -> Iterator[None]:
  """Names what is compared in the error of a comparison."""
  try:
    yield
  except UserError as error:
    pair = ' and '.join(map(repr, arms))
    raise UserError(
      f'endpoint {endpoint!r} under {holdout!r}, {pair}: {error}'
    ) from error


def _read(results: Sequence[CellResult], split: str) -> _Found:
  found: _Found = {}
  for result in results:
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
