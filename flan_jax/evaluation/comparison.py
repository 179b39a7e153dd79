"""Whether training changed a model's answers to the same rows."""

from collections.abc import Mapping, Sequence
from typing import Any

from flan_jax.evaluation.aggregation import mean_interval, mean_value
from flan_jax.evaluation.eval_parts import EvalPart
from flan_jax.evaluation.metrics import text_metrics
from flan_jax.evaluation.predictions import (
  Answer,
  by_group,
  predictions_by_template,
)
from flan_jax.terminal.blocks import Table


def compare(
  part: EvalPart, before: Sequence[Answer], after: Sequence[Answer]
) -> list[dict[str, Any]]:
  """Compares the answers of two models to the test rows of a part.

  Both must have answered under the same templates.

  Returns:
    One comparison for each group of templates: the means over templates
    `before` and `after`, their `difference`, its 95 % bootstrap `interval`,
    for which the same groups of rows are drawn for both models, and the
    `verdict`. The interval is None if the templates apply to different rows.
  """
  test, name = part.test, part.test.part.metrics[0]
  afters = by_group(test, after)
  comparisons = []
  for group, answers in by_group(test, before).items():
    first = predictions_by_template(test, answers, [name])
    second = predictions_by_template(test, afters[group], [name])
    interval = mean_interval(test, second, name, reference=first)
    means = mean_value(first, name), mean_value(second, name)
    rows, _ = next(iter(first.values()))
    comparisons.append(
      {
        'part': test.name,
        'group': group,
        'metric': name,
        'rows': len(rows),
        'before': means[0],
        'after': means[1],
        'difference': means[1] - means[0],
        'interval': interval,
        'verdict': verdict(interval, name in text_metrics.LOWER_IS_BETTER),
      }
    )
  return comparisons


def verdict(interval: tuple[float, float] | None, lower_is_better: bool) -> str:
  """Returns what the 95 % interval of a difference shows."""
  if interval is None:
    return 'no interval: templates apply to different rows'
  if interval[0] <= 0 <= interval[1]:
    return 'no difference shown'
  return 'better' if (interval[0] > 0) != lower_is_better else 'worse'


# A terminal shows what is certain in colour.
_STYLES = {'better': 'green', 'worse': 'red'}


def comparison_table(comparisons: Sequence[Mapping[str, Any]]) -> Table:
  """Returns comparisons as a table, one line for each."""
  lines = []
  for comparison in comparisons:
    interval = comparison['interval']
    labels = comparison['part'], comparison['group']
    lines.append(
      {
        'part': ' '.join(filter(None, labels)),
        'metric': comparison['metric'],
        'rows': str(comparison['rows']),
        'before': f'{comparison["before"]:.1f}',
        'after': f'{comparison["after"]:.1f}',
        'difference': f'{comparison["difference"]:+.1f}',
        '95 % interval': (
          f'{interval[0]:+.1f} to {interval[1]:+.1f}' if interval else '-'
        ),
        'verdict': comparison['verdict'],
      }
    )
  styles = [_STYLES.get(line['verdict'], '') for line in lines]
  return Table.of(lines, optional=('rows', 'before', 'after'), styles=styles)
