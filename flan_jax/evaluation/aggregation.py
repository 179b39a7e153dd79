"""The paper's protocol: from answers to the reported numbers.

Every ordinary template on the whole split; mean and standard deviation over
templates; and the test score of the template that is best on validation rows.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from flan_jax.batches.few_shot import FewShotSplit
from flan_jax.cache.cached_split import CachedSplit
from flan_jax.evaluation.clusters import mean_interval
from flan_jax.evaluation.eval_parts import EvalPart
from flan_jax.evaluation.metrics import choice_metrics, text_metrics
from flan_jax.evaluation.metrics.choice_metrics import Predictions
from flan_jax.evaluation.metrics.texts import Texts
from flan_jax.evaluation.part_result import PartResult
from flan_jax.evaluation.predictions import (
  Answer,
  ByTemplate,
  by_group,
  predictions_by_template,
  row_groups,
)
from flan_jax.evaluation.resampled import Resampled


def part_results(
  part: EvalPart,
  test_answers: Sequence[Answer],
  validation_answers: Sequence[Answer] = (),
  contaminated: Collection[str] | None = None,
  max_rows: int | None = None,
) -> list[PartResult]:
  """Returns one result for each group of templates of a part.

  Args:
    part: The part.
    test_answers: Answers to its test rows under every ordinary template.
    validation_answers: Answers to its validation rows.
    contaminated: Ids of test rows that pretraining may have seen, if known.
    max_rows: Most rows that were evaluated; None for all.
  """
  if part.null:
    return [PartResult.of(part, null=part.null, max_rows=max_rows)]
  validation = by_group(part.test, validation_answers)
  results = []
  for group, answers in by_group(part.test, test_answers).items():
    about = {'group': group, 'max_rows': max_rows}
    chosen_by = validation.get(group, [])
    results.append(
      _part_result(part, answers, chosen_by, contaminated, **about)
    )
  return results


def _part_result(
  part: EvalPart,
  answers: Sequence[Answer],
  validation_answers: Sequence[Answer],
  contaminated: Collection[str] | None,
  **about: Any,
) -> PartResult:
  test, names = part.test, part.test.part.metrics
  by_template = predictions_by_template(test, answers, names)
  resampled = Resampled.of(test, by_template, names[0])
  templates = {
    template: {
      **_template_result(rows, predictions, names),
      'interval': resampled.template_interval(template),
    }
    for template, (rows, predictions) in by_template.items()
  }
  values = [result[names[0]] for result in templates.values()]
  rows, first = next(iter(by_template.values()))
  return PartResult.of(
    part,
    **about,
    rows=len(rows),
    groups=len(set(row_groups(test, rows))),
    exemplars=_exemplars(part, answers),
    mean=float(np.mean(values)),
    std=float(np.std(values, ddof=1)) if len(values) > 1 else None,
    interval=resampled.mean_interval(),
    majority_rate=None if isinstance(first, Texts) else first.majority_rate(),
    best_validation=_best_validation(
      part.validation, validation_answers, templates, names[0]
    ),
    accuracies=_accuracies(test, answers),
    written=_written(test, answers),
    clean=_clean(test, by_template, names[0], contaminated),
    templates=templates,
  )


def _exemplars(
  part: EvalPart, answers: Sequence[Answer]
) -> dict[str, float] | None:
  """Returns how many exemplars prompts have; None if none were asked for."""
  if not part.shots:
    return None
  shown = [answer.shots for answer in answers]
  about = {'mean': float(np.mean(shown)), 'least': min(shown)}
  # Recorded answers have no pool of exemplars.
  if isinstance(part.test, FewShotSplit):
    about['found'] = float(part.test.exemplars_found)
  return about


def _template_result(
  rows: np.ndarray,
  predictions: Predictions | Texts,
  names: Sequence[str],
) -> dict[str, Any]:
  result: dict[str, Any] = {name: predictions.value(name) for name in names}
  if isinstance(predictions, Predictions) and predictions.classes:
    result['macro_f1'] = choice_metrics.macro_f1(predictions)
  result['rows'] = len(rows)
  result['most_frequent_prediction'] = predictions.top_share()
  return result


def mean_value(by_template: ByTemplate, name: str) -> float:
  """Returns the mean of a metric over templates."""
  return float(np.mean([p.value(name) for _, p in by_template.values()]))


def _mean_over_templates(
  answers: Iterable[Answer], value: Callable[[Answer], Any]
) -> np.ndarray:
  """Returns the mean over templates of the mean over answers, in percent."""
  by_template: dict[int, list[Any]] = {}
  for answer in answers:
    by_template.setdefault(answer.template, []).append(value(answer))
  means = [np.mean(values, axis=0) for values in by_template.values()]
  return 100 * np.mean(means, axis=0)


def _accuracies(
  test: CachedSplit, answers: Sequence[Answer]
) -> dict[str, float]:
  """Returns the accuracy under each rule of ranking."""

  def accuracy(rule: str) -> float:
    return _mean_over_templates(
      answers, lambda a: a.by_rule[rule] in test.rows[a.row]['correct']
    ).item()

  return {rule: accuracy(rule) for rule in answers[0].by_rule}


def _written(
  test: CachedSplit, answers: Sequence[Answer]
) -> dict[str, float] | None:
  """Returns how often the model wrote one of the options, and the right one."""
  if answers[0].written is None:
    return None

  def hits(answer: Answer) -> tuple[bool, bool]:
    right = set(answer.written) & set(test.rows[answer.row]['correct'])
    return bool(answer.written), bool(right)

  valid, accuracy = _mean_over_templates(answers, hits).tolist()
  return {'valid_options': valid, 'accuracy': accuracy}


def _clean(
  test: CachedSplit,
  by_template: ByTemplate,
  name: str,
  contaminated: Collection[str] | None,
) -> dict[str, Any] | None:
  """Returns the mean over templates on rows that pretraining has not seen."""
  if contaminated is None:
    return None
  kept: ByTemplate = {}
  for template, (rows, predictions) in by_template.items():
    clean = [test.rows[row]['id'] not in contaminated for row in rows]
    chosen = np.flatnonzero(clean)
    kept[template] = rows[chosen], predictions.take(chosen)
  known = all(len(rows) for rows, _ in kept.values())
  # Rows are counted under the first template, as for the part as a whole.
  first = next(iter(kept))
  count = len(kept[first][0])
  return {
    'rows': count,
    'contaminated_rows': len(by_template[first][0]) - count,
    'mean': mean_value(kept, name) if known else None,
    'interval': (
      Resampled.of(test, kept, name).mean_interval() if known else None
    ),
  }


def _best_validation(
  validation: CachedSplit | None,
  answers: Sequence[Answer],
  templates: Mapping[int, Mapping[str, Any]],
  name: str,
) -> dict[str, Any] | None:
  """Returns the template best on validation rows; the first of equals."""
  if validation is None or not answers:
    return None
  found = predictions_by_template(validation, answers, [name])
  scores = {t: p.value(name) for t, (_, p) in found.items() if t in templates}
  sign = -1 if name in text_metrics.LOWER_IS_BETTER else 1
  best = max(scores, key=lambda template: (sign * scores[template], -template))
  return {
    'template': best,
    'validation': scores[best],
    'test': templates[best][name],
    'interval': templates[best]['interval'],
    'validation_rows': len({answer.row for answer in answers}),
  }


def tracked_values(results: Sequence[PartResult]) -> dict[str, float]:
  """Returns results as metrics of a run: `accuracy/rte`, and the mean of all.

  The mean, `accuracy`, is over the parts that report the metric.
  """
  values = {name: found['mean'] for name, found in summary(results).items()}
  for result in results:
    if result.mean is not None:
      name = result.name.replace(' ', '_')
      values[f'{result.metric}/{name}'] = result.mean
  return values


def summary(results: Sequence[PartResult]) -> dict[str, Any]:
  """Returns the unweighted mean over parts that report the same metric."""
  by_metric: dict[str, list[PartResult]] = {}
  for result in results:
    if result.mean is not None:
      by_metric.setdefault(result.metric, []).append(result)
  return {
    name: {
      'mean': float(np.mean([result.mean for result in found])),
      'interval': mean_interval(found),
      'parts': len(found),
    }
    for name, found in by_metric.items()
  }
