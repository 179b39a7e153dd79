"""The paper's protocol: from scored options to the reported numbers.

Every ordinary template on the whole split; mean and standard deviation over
templates; and the template that is best on development rows with its test
score.
"""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any

import numpy as np

from flan_jax.data.cache import Unit
from flan_jax.evaluation import metrics
from flan_jax.evaluation.metrics import Predictions


@dataclasses.dataclass(frozen=True)
class Ranked:
  """The chosen option of one record of a unit.

  Attributes:
    row: Row of the unit.
    template: Template index.
    predicted: Option chosen.
  """

  row: int
  template: int
  predicted: int


def predictions_by_template(
  unit: Unit, ranked: Sequence[Ranked]
) -> dict[int, tuple[np.ndarray, Predictions]]:
  """Returns template -> (rows, predictions), rows in the unit's order."""
  classes = tuple(unit.manifest['choices'] or ())
  by_template: dict[int, list[Ranked]] = {}
  for item in ranked:
    by_template.setdefault(item.template, []).append(item)
  result = {}
  for template, items in sorted(by_template.items()):
    items = sorted(items, key=lambda item: item.row)
    rows = [unit.rows[item.row] for item in items]
    predicted = np.array([item.predicted for item in items])
    result[template] = (
      np.array([item.row for item in items]),
      Predictions(
        predicted=predicted,
        correct=np.array(
          [p in row['correct'] for p, row in zip(predicted, rows, strict=True)]
        ),
        gold=np.array([row['correct'][0] for row in rows]),
        classes=classes,
        score=np.array([row.get('score', np.nan) for row in rows]),
      ),
    )
  return result


def _template_result(unit, rows, predictions, names) -> dict[str, Any]:
  statistic = metrics.find(names[0])
  result = {name: metrics.find(name)(predictions) for name in names}
  counts = np.bincount(predictions.predicted)
  return {
    **result,
    'rows': len(rows),
    **(
      {'macro_f1': metrics.macro_f1(predictions)} if predictions.classes else {}
    ),
    'most_frequent_prediction': 100 * float(counts.max() / len(rows)),
    'interval': metrics.bootstrap_interval(
      lambda chosen: statistic(predictions.take(chosen)), _groups(unit, rows)
    ),
  }


def _groups(unit: Unit, rows: np.ndarray) -> np.ndarray:
  return np.array([unit.rows[row]['group'] for row in rows])


def _mean_interval(unit, by_template, statistic) -> tuple[float, float] | None:
  """Returns the interval of the mean over templates, groups resampled alike.

  None where templates were admissible for different rows.
  """
  rows = [rows for rows, _ in by_template.values()]
  if any(not np.array_equal(rows[0], other) for other in rows):
    return None

  def mean(chosen):
    return float(
      np.mean([statistic(p.take(chosen)) for _, p in by_template.values()])
    )

  return metrics.bootstrap_interval(mean, _groups(unit, rows[0]))


def part_result(
  test: Unit,
  test_ranked: Sequence[Ranked],
  dev: Unit | None,
  dev_ranked: Sequence[Ranked],
) -> dict[str, Any]:
  """Returns all that is reported of one evaluated part.

  Args:
    test: The unit of the rows that are reported.
    test_ranked: Its chosen options under every ordinary template.
    dev: The unit of the rows that choose the template, if there is one.
    dev_ranked: Its chosen options.

  Returns:
    Plain JSON types. `metric` names the reported one, whose `mean` and `std`
    (n - 1) go over templates; `best_dev` is null without development rows.
    All metrics are in percent.
  """
  names = list(test.manifest['metrics'])
  statistic = metrics.find(names[0])
  by_template = predictions_by_template(test, test_ranked)
  templates = {
    template: _template_result(test, rows, predictions, names)
    for template, (rows, predictions) in by_template.items()
  }
  values = [result[names[0]] for result in templates.values()]
  gold = next(iter(by_template.values()))[1].gold
  return {
    'dataset': test.manifest['dataset'],
    'part': test.name,
    'cluster': test.manifest['cluster'],
    'metric': names[0],
    'rows': len(gold),
    'groups': len(set(_groups(test, next(iter(by_template.values()))[0]))),
    'mean': float(np.mean(values)),
    'std': float(np.std(values, ddof=1)) if len(values) > 1 else None,
    'interval': _mean_interval(test, by_template, statistic),
    'majority_rate': 100 * float(np.bincount(gold).max() / len(gold)),
    'best_dev': _best_dev(dev, dev_ranked, templates, names[0]),
    'templates': templates,
    'split': 'adapted' if test.manifest['adapted'] else 'recorded',
    'adapted': {
      role: unit.manifest['adapted']
      for role, unit in (('test', test), ('dev', dev))
      if unit is not None and unit.manifest['adapted']
    },
    'note': test.manifest['note'],
    'cache': {'test': test.digest, 'dev': dev.digest if dev else None},
  }


def _best_dev(dev, dev_ranked, templates, name) -> dict[str, Any] | None:
  """Returns the template best on development rows; the first of equals."""
  if dev is None or not dev_ranked:
    return None
  statistic = metrics.find(name)
  scores = {
    template: statistic(predictions)
    for template, (_, predictions) in predictions_by_template(
      dev, dev_ranked
    ).items()
    if template in templates
  }
  best = max(scores, key=lambda template: (scores[template], -template))
  return {
    'template': best,
    'dev': scores[best],
    'test': templates[best][name],
    'interval': templates[best]['interval'],
    'dev_rows': len({item.row for item in dev_ranked}),
  }


def summary(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns the unweighted mean over parts that report the same metric."""
  by_metric: dict[str, list[float]] = {}
  for result in results:
    by_metric.setdefault(result['metric'], []).append(result['mean'])
  return {
    name: {'mean': float(np.mean(values)), 'parts': len(values)}
    for name, values in by_metric.items()
  }
