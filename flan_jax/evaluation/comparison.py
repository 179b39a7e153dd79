"""Paired comparisons of two models that answered the same rows.

The bootstrap draws the same groups of rows for both models. Its standard error
gives a t test with as many degrees of freedom as there are groups, less one;
p values are corrected for the number of comparisons by Holm's method, those of
datasets and those of clusters each by themselves.
"""

from collections.abc import Iterable, Mapping, Sequence
import math
from typing import Any

import numpy as np

from flan_jax.evaluation.eval_parts import EvalPart
from flan_jax.evaluation.metrics import (
  choice_metrics,
  intervals,
  text_metrics,
)
from flan_jax.evaluation.predictions import (
  Answer,
  by_group,
  predictions_by_template,
)
from flan_jax.evaluation.resampled import Resampled
from flan_jax.terminal.blocks import Paragraph, Table

BETTER, WORSE, NOT_SHOWN = 'better', 'worse', 'not shown'
# Templates apply to different rows.
NO_INTERVAL = 'no interval'
ALL = 'all'
_LEVEL = 0.05
_POWER = 0.8


def compare(
  part: EvalPart, before: Sequence[Answer], after: Sequence[Answer]
) -> list[dict[str, Any]]:
  """Compares the answers of two models to the test rows of a part.

  Both must have answered under the same templates. `judged` adds verdicts.

  Returns:
    One comparison for each group of templates. `docs/evaluation.md` describes
    its keys.
  """
  test, name = part.test, part.test.part.metrics[0]
  afters = by_group(test, after)
  comparisons = []
  for group, answers in by_group(test, before).items():
    first, second = (
      Resampled.of(test, predictions_by_template(test, side, [name]), name)
      for side in (answers, afters[group])
    )
    rows = {answer.row for answer in answers}
    comparisons.append(
      {
        'part': test.name,
        'group': group,
        'cluster': test.part.cluster,
        'metric': name,
        'rows': len(rows),
        'groups': max(first.groups.values()),
        'templates': len(first.values),
        **_difference(first, second),
        'reversal': reversal(
          [second.values[t] - first.values[t] for t in first.values]
        ),
      }
    )
  return comparisons


def _difference(first: Resampled, second: Resampled) -> dict[str, Any]:
  means = [float(np.mean([*one.values.values()])) for one in (first, second)]
  difference, error, interval = means[1] - means[0], None, None
  groups = max(first.groups.values())
  if first.same_rows and groups > 1:
    resampled_B = second.mean_B() - first.mean_B()
    # The bootstrap's variance is that of n groups divided by n, not by n - 1.
    error = float(resampled_B.std(ddof=1) * math.sqrt(groups / (groups - 1)))
    interval = intervals.of_difference(resampled_B, difference, error, groups)
  return {
    'before': means[0],
    'after': means[1],
    'difference': difference,
    'interval': interval,
    'error': error,
    'freedom': groups - 1,
    **_tested(difference, error, groups - 1),
  }


def _tested(
  difference: float, error: float | None, freedom: float
) -> dict[str, float | None]:
  """Returns the p value, and the smallest effect that a test would find.

  `detectable` is found four times out of five, at a level of 5 % without
  correction. It is None where all groups agree.
  """
  from scipy import special

  if error is None:
    return {'p': None, 'detectable': None}
  if error == 0:
    # All groups changed by the same amount, as heads of as many coins.
    p = 1.0 if difference == 0 else 2 * 0.5 ** (freedom + 1)
    return {'p': p, 'detectable': None}
  quantiles = special.stdtrit(freedom, [1 - _LEVEL / 2, _POWER])
  return {
    'p': float(2 * special.stdtr(freedom, -abs(difference) / error)),
    'detectable': float(quantiles.sum() * error),
  }


def reversal(differences: Sequence[float]) -> float | None:
  """Returns how probably another template reverses a comparison.

  The differences under the templates at hand are taken for draws from a normal
  distribution; the next one has Student's predictive distribution.

  >>> f'{reversal([1.0, 3.0, 2.0]):.2f}'
  '0.11'

  Returns:
    The probability that the difference under a new template has another sign
    than the mean; None if there is one template.
  """
  from scipy import special

  count = len(differences)
  if count < 2:
    return None
  mean, spread = abs(np.mean(differences)), np.std(differences, ddof=1)
  if spread == 0:
    return 0.0 if mean else 0.5
  predictive = spread * math.sqrt(1 + 1 / count)
  return float(special.stdtr(count - 1, -mean / predictive))


def judged(comparisons: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns comparisons with `p_holm` and `verdict`, judged as one family.

  A model is better or worse if the corrected p value is at most 5 %, and the
  difference is not below what could be detected.
  """
  comparisons = list(comparisons)
  known = [one for one in comparisons if one['p'] is not None]
  corrected: dict[int, float] = {}
  highest = 0.0
  for place, one in enumerate(sorted(known, key=lambda one: one['p'])):
    highest = max(highest, min(1.0, (len(known) - place) * one['p']))
    corrected[id(one)] = highest
  return [
    {**one, 'p_holm': p, 'verdict': _verdict(one, p)}
    for one in comparisons
    for p in [corrected.get(id(one))]
  ]


def _verdict(one: Mapping[str, Any], p: float | None) -> str:
  if one['groups'] < intervals.MOST_TOO_FEW:
    return intervals.TOO_FEW
  if p is None:
    return NO_INTERVAL
  small = abs(one['difference']) < (one['detectable'] or 0)
  if p > _LEVEL or small or not one['difference']:
    return NOT_SHOWN
  lower = one['metric'] in text_metrics.LOWER_IS_BETTER
  return BETTER if (one['difference'] > 0) != lower else WORSE


def means(comparisons: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns the mean differences of clusters, and of all, by metric, judged."""
  clusters: dict[Any, list[Mapping[str, Any]]] = {}
  metrics: dict[str, list[Mapping[str, Any]]] = {}
  for one in comparisons:
    clusters.setdefault((one['cluster'], one['metric']), []).append(one)
    metrics.setdefault(one['metric'], []).append(one)
  found = judged(
    filter(None, (mean_of(name, own) for (name, _), own in clusters.items()))
  )
  several = [own for own in metrics.values() if _clusters(own) > 1]
  return found + judged(filter(None, (mean_of(ALL, own) for own in several)))


def _clusters(comparisons: Sequence[Mapping[str, Any]]) -> int:
  return len({one['cluster'] for one in comparisons})


def mean_of(
  name: str, comparisons: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
  """Returns the mean difference of datasets that report the same metric.

  Those with too few rows, or without an error, are left out. Errors of
  different datasets are added in squares, and give the degrees of freedom of
  Welch and Satterthwaite. Those of one dataset are of the same rows: they are
  added.

  Returns:
    A comparison without a verdict; None if no dataset is left.
  """
  members = [
    one
    for one in comparisons
    if one['groups'] >= intervals.MOST_TOO_FEW and one['error'] is not None
  ]
  if not members:
    return None
  errors: dict[str, float] = {}
  for one in members:
    errors[one['part']] = errors.get(one['part'], 0.0) + one['error']
  freedoms = {one['part']: one['freedom'] for one in members}
  variances = {part: error**2 for part, error in errors.items()}
  total, least = sum(variances.values()), min(freedoms.values())
  if total:
    spread = sum(v**2 / freedoms[part] for part, v in variances.items())
    least = total**2 / spread
  error = math.sqrt(total) / len(members)
  difference = float(np.mean([one['difference'] for one in members]))
  interval = intervals.by_error(difference, error, least)
  if len(members) == 1:
    interval = members[0]['interval']
  return {
    'mean_of': name,
    'metric': members[0]['metric'],
    'datasets': len(members),
    'left_out': len(comparisons) - len(members),
    'rows': sum(one['rows'] for one in members),
    'groups': sum(one['groups'] for one in members),
    'before': float(np.mean([one['before'] for one in members])),
    'after': float(np.mean([one['after'] for one in members])),
    'difference': difference,
    'interval': interval,
    'error': error,
    'freedom': least,
    **_tested(difference, error, least),
  }


# A terminal shows what is certain in colour.
_STYLES = {BETTER: 'green', WORSE: 'red'}
_LEGEND = (
  'detectable: the smallest difference that these rows would show four times '
  'out of five. reversed: how probably another template reverses the sign. A '
  'model is better or worse if the p value, corrected for the number of lines '
  "by Holm's method, is at most 5 %, and the difference is detectable. no "
  'interval: templates apply to different rows. An interval is left out of too '
  f'few rows, fewer than {intervals.MOST_TOO_FEW}, and where it would leave '
  'what is possible, because the formula does not describe so few rows.'
)


def comparison_tables(
  comparisons: Sequence[Mapping[str, Any]],
  found: Sequence[Mapping[str, Any]],
) -> list[Table | Paragraph]:
  """Returns judged comparisons and their `means` as tables, and a legend.

  A comparison may have a `label` in place of its part and group.
  """
  datasets = [
    {
      'part': one.get('label') or _name(one),
      **_cells(one),
      'reversed': (
        '-' if one['reversal'] is None else f'{one["reversal"]:.2f}'
      ),
      'verdict': one['verdict'],
    }
    for one in comparisons
  ]
  of_means = [
    {
      'mean of': f'{one["mean_of"]} ({one["datasets"]})',
      **_cells(one),
      'verdict': one['verdict'],
    }
    for one in found
  ]
  return [
    _table(datasets),
    *([_table(of_means)] if of_means else []),
    Paragraph(_LEGEND),
  ]


def shown_interval(one: Mapping[str, Any]) -> tuple[float, float] | None:
  """Returns the interval of a judged comparison that tables and figures show.

  There is none of too few rows. Where Student's interval leaves the range of
  differences, his distribution does not describe the rows: the bound within is
  no better than the one that could be cut.
  """
  interval = one['interval']
  if interval is None or one['verdict'] == intervals.TOO_FEW:
    return None
  if one['metric'] not in text_metrics.LOWER_IS_BETTER:
    most = 200 if one['metric'] in choice_metrics.CORRELATIONS else 100
    if max(map(abs, interval)) > most + 1e-6:
      return None
  return tuple(interval)


def _name(one: Mapping[str, Any]) -> str:
  return ' '.join(filter(None, (one['part'], one['group'])))


def _cells(one: Mapping[str, Any]) -> dict[str, str]:
  interval, detectable = shown_interval(one), one['detectable']
  if one['verdict'] == intervals.TOO_FEW:
    detectable = None
  return {
    'metric': one['metric'],
    'rows': str(one['rows']),
    'before': f'{one["before"]:.1f}',
    'after': f'{one["after"]:.1f}',
    'difference': f'{one["difference"]:+.1f}',
    '95 % interval': (
      f'{interval[0]:+.1f} to {interval[1]:+.1f}' if interval else '-'
    ),
    'detectable': '-' if detectable is None else f'{detectable:.1f}',
  }


def _table(lines: Sequence[Mapping[str, str]]) -> Table:
  styles = [_STYLES.get(line['verdict'], '') for line in lines]
  return Table.of(
    lines, optional=('rows', 'before', 'after', 'detectable'), styles=styles
  )
