"""Whether tuning changed what a model answers, on the same rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flan_jax.cache.cached_split import CachedSplit
from flan_jax.evaluation import aggregation
from flan_jax.evaluation.aggregation import Answer
from flan_jax.evaluation.metrics import choice_metrics, text_metrics
from flan_jax.evaluation.table import layout

_HEADER = (
  'part',
  'metric',
  'rows',
  'before',
  'after',
  'difference',
  '95 % interval',
  'shown',
)


def compare(
  test: CachedSplit, before: Sequence[Answer], after: Sequence[Answer]
) -> list[dict[str, Any]]:
  """Compares two models on a part.

  Args:
    test: The rows that both answered under every ordinary template.
    before: What the one said.
    after: What the other said.

  Returns:
    One comparison, or one for each group of templates: means over templates
    `before` and `after`, their `difference`, its 95 % bootstrap `interval` over
    groups of rows, the same groups drawn for both, and the `verdict`. The
    interval is None where templates fit different rows.
  """
  declared = test.manifest['templates']
  groups = dict.fromkeys(
    declared[k]['group'] for k in sorted({answer.template for answer in before})
  )
  return [
    _compare(
      test,
      group,
      *(
        [a for a in answers if declared[a.template]['group'] == group]
        for answers in (before, after)
      ),
    )
    for group in groups
  ]


def _compare(test, group, before, after) -> dict[str, Any]:
  name = test.manifest['metrics'][0]
  both = [
    aggregation.predictions_by_template(test, answers, [name])
    for answers in (before, after)
  ]
  rows = [rows for by_template in both for rows, _ in by_template.values()]

  def mean(by_template, chosen=None):
    values = [
      (p if chosen is None else p.take(chosen)).value(name)
      for _, p in by_template.values()
    ]
    return float(np.mean(values))

  interval = None
  if all(np.array_equal(rows[0], other) for other in rows):
    interval = choice_metrics.bootstrap_interval(
      lambda chosen: mean(both[1], chosen) - mean(both[0], chosen),
      aggregation.groups_of(test, rows[0]),
    )
  first, second = (mean(by_template) for by_template in both)
  return {
    'part': test.name,
    'group': group,
    'metric': name,
    'rows': len(rows[0]),
    'before': first,
    'after': second,
    'difference': second - first,
    'interval': interval,
    'verdict': _verdict(interval, name in text_metrics.LOWER_IS_BETTER),
  }


def _verdict(interval, lower_is_better) -> str:
  if interval is None:
    return 'no interval: templates fit different rows'
  if interval[0] <= 0 <= interval[1]:
    return 'no difference shown'
  return 'better' if (interval[0] > 0) != lower_is_better else 'worse'


def comparison_table(comparisons: Sequence[Mapping[str, Any]]) -> str:
  """Lays comparisons out as text, one line a part."""
  return layout(_HEADER, [_line(comparison) for comparison in comparisons])


def _line(comparison) -> tuple[str, ...]:
  interval = comparison['interval']
  name = comparison['part']
  if comparison['group']:
    name = f'{name} {comparison["group"]}'
  return (
    name,
    comparison['metric'],
    str(comparison['rows']),
    f'{comparison["before"]:.1f}',
    f'{comparison["after"]:.1f}',
    f'{comparison["difference"]:+.1f}',
    f'{interval[0]:+.1f} to {interval[1]:+.1f}' if interval else '-',
    comparison['verdict'],
  )
