"""The paper's protocol: from what the model says to the reported numbers.

Every ordinary template on the whole split; mean and standard deviation over
templates; and the template that is best on development rows with its test
score.
"""

from collections.abc import Collection, Mapping, Sequence
import dataclasses
from typing import Any

import numpy as np

from flan_jax.cache.cached_split import CachedSplit
from flan_jax.definitions.dataset import ANSWER_TARGET
from flan_jax.evaluation.metrics import choice_metrics, text_metrics
from flan_jax.evaluation.metrics.choice_metrics import Predictions
from flan_jax.evaluation.metrics.texts import Texts


@dataclasses.dataclass(frozen=True)
class Answer:
  """What the model said to one record of a split.

  Attributes:
    row: Row of the split.
    template: Template index.
    option: Option chosen; None where the answer is free text.
    text: The answer in words.
    by_rule: The option that each rule of ranking chooses, see
      `rank.values_by_rule`.
    written: The options that what the model wrote is, where it was asked for
      free text beside; None where it was not.
  """

  row: int
  template: int
  option: int | None
  text: str
  by_rule: Mapping[str, int] = dataclasses.field(default_factory=dict)
  written: Sequence[int] | None = None


# What the rows of one template answered: rows of the split, and predictions.
_ByTemplate = dict[int, tuple[np.ndarray, Predictions | Texts]]


def predictions_by_template(
  split: CachedSplit, answers: Sequence[Answer], names: Sequence[str]
) -> _ByTemplate:
  """Returns template -> (rows, predictions), rows in the split's order.

  Args:
    split: Whose rows were answered.
    answers: What was said to them.
    names: The metrics that will be asked for.
  """
  by_template: dict[int, list[Answer]] = {}
  for answer in answers:
    by_template.setdefault(answer.template, []).append(answer)
  result = {}
  for template, items in sorted(by_template.items()):
    items = sorted(items, key=lambda item: item.row)
    rows = np.array([item.row for item in items])
    result[template] = (rows, _predictions(split, template, items, names))
  return result


def _predictions(split, template, items, names) -> Predictions | Texts:
  rows = [split.rows[item.row] for item in items]
  texts = None
  written = [name for name in names if text_metrics.knows(name)]
  if written:
    gold = [references(split, row, template) for row in rows]
    texts = Texts.of([item.text for item in items], gold, written)
  if items[0].option is None:
    return texts
  predicted = np.array([item.option for item in items])
  pairs = zip(predicted, rows, strict=True)
  item = np.array([row.get('item', row['id']) for row in rows])
  _, inverse, sizes = np.unique(item, return_inverse=True, return_counts=True)
  return Predictions(
    predicted=predicted,
    correct=np.array([p in row['correct'] for p, row in pairs]),
    gold=np.array([row['correct'][0] for row in rows]),
    classes=tuple(split.manifest['choices'] or ()),
    score=np.array([row.get('score', np.nan) for row in rows]),
    item=item,
    item_share=1 / sizes[inverse],
    texts=texts,
  )


def references(
  split: CachedSplit, row: Mapping[str, Any], template: int
) -> list[str]:
  """Returns the accepted answers of a row under a template.

  A template that asks for something else than the row's answer, as for the
  other language, has what it asks for as its only reference.
  """
  pattern = split.manifest['templates'][template]['target']
  if pattern == ANSWER_TARGET:
    return row['answers']
  return [row['targets'][pattern]]


def _template_result(split, rows, predictions, names) -> dict[str, Any]:
  result = {name: predictions.value(name) for name in names}
  if isinstance(predictions, Predictions) and predictions.classes:
    result['macro_f1'] = choice_metrics.macro_f1(predictions)
  return {
    **result,
    'rows': len(rows),
    'most_frequent_prediction': predictions.top_share(),
    'interval': choice_metrics.bootstrap_interval(
      lambda chosen: predictions.take(chosen).value(names[0]),
      groups_of(split, rows),
    ),
  }


def groups_of(split: CachedSplit, rows: np.ndarray) -> np.ndarray:
  """The group of each of these rows, which are drawn together."""
  return np.array([split.rows[row]['group'] for row in rows])


def _mean_interval(split, by_template, name) -> tuple[float, float] | None:
  """Returns the interval of the mean over templates, groups resampled alike.

  None where templates were admissible for different rows.
  """
  rows = [rows for rows, _ in by_template.values()]
  if any(not np.array_equal(rows[0], other) for other in rows):
    return None

  def mean(chosen):
    return float(
      np.mean([p.take(chosen).value(name) for _, p in by_template.values()])
    )

  return choice_metrics.bootstrap_interval(mean, groups_of(split, rows[0]))


def part_results(
  test: CachedSplit,
  test_answers: Sequence[Answer],
  validation: CachedSplit | None,
  validation_answers: Sequence[Answer],
  contaminated: Collection[str] | None = None,
) -> list[dict[str, Any]]:
  """Returns what is reported of one evaluated part.

  Args:
    test: The split of the rows that are reported.
    test_answers: What was said to them under every ordinary template.
    validation: The split of the rows that choose the template, if there is one.
    validation_answers: What was said to those.
    contaminated: Ids of test rows that pretraining may have seen; None where
      that is not known.

  Returns:
    One result, or one for each group of templates (as the directions of
    translation); plain JSON types. `metric` names the reported one, whose
    `mean` and `std` (n - 1) go over templates; `best_validation` is null
    without validation rows, `clean` (of rows that are not contaminated) where
    those are not known, `written` where options were only ranked. Metrics are
    in percent, where their docstring does not say otherwise.
  """
  declared = test.manifest['templates']
  groups = dict.fromkeys(
    declared[k]['group'] for k in sorted({a.template for a in test_answers})
  )

  def of(group, answers):
    return [a for a in answers if declared[a.template]['group'] == group]

  return [
    _part_result(
      test,
      of(group, test_answers),
      validation,
      of(group, validation_answers),
      contaminated,
    )
    | {'group': group}
    for group in groups
  ]


def _part_result(
  test, test_answers, validation, validation_answers, contaminated
) -> dict[str, Any]:
  names = list(test.manifest['metrics'])
  by_template = predictions_by_template(test, test_answers, names)
  templates = {
    template: _template_result(test, rows, predictions, names)
    for template, (rows, predictions) in by_template.items()
  }
  values = [result[names[0]] for result in templates.values()]
  rows, first = next(iter(by_template.values()))
  return {
    **_about(test, validation),
    'metric': names[0],
    'rows': len(rows),
    'groups': len(set(groups_of(test, rows))),
    'mean': float(np.mean(values)),
    'std': float(np.std(values, ddof=1)) if len(values) > 1 else None,
    'interval': _mean_interval(test, by_template, names[0]),
    'majority_rate': _majority_rate(first),
    'best_validation': _best_validation(
      validation, validation_answers, templates, names[0]
    ),
    'accuracy_by_rule': _accuracy_by_rule(test, test_answers),
    'written': _written(test, test_answers),
    'clean': _clean(test, by_template, names[0], contaminated),
    'templates': templates,
  }


def _written(
  test: CachedSplit, answers: Sequence[Answer]
) -> dict[str, float] | None:
  """How often free text was an option, and the right one; over templates."""
  by_template: dict[int, list[tuple[bool, bool]]] = {}
  for answer in answers:
    if answer.written is not None:
      right = set(answer.written) & set(test.rows[answer.row]['correct'])
      by_template.setdefault(answer.template, []).append(
        (bool(answer.written), bool(right))
      )
  if not by_template:
    return None
  shares = [np.mean(said, axis=0) for said in by_template.values()]
  valid, accuracy = 100 * np.mean(shares, axis=0)
  return {'valid_options': float(valid), 'accuracy': float(accuracy)}


def _clean(
  test: CachedSplit,
  by_template: _ByTemplate,
  name: str,
  contaminated: Collection[str] | None,
) -> dict[str, Any] | None:
  """The mean over templates on rows that pretraining has not seen."""
  if contaminated is None:
    return None
  kept = {}
  for template, (rows, predictions) in by_template.items():
    clean = [test.rows[row]['id'] not in contaminated for row in rows]
    chosen = np.flatnonzero(clean)
    kept[template] = rows[chosen], predictions.take(chosen)
  # Of the first template, as the rows of a part.
  (rows, _), (clean, _) = (
    next(iter(of.values())) for of in (by_template, kept)
  )
  result = {
    'rows': len(clean),
    'contaminated_rows': len(rows) - len(clean),
    'mean': None,
    'interval': None,
  }
  if all(len(rows) for rows, _ in kept.values()):
    values = [predictions.value(name) for _, predictions in kept.values()]
    result['mean'] = float(np.mean(values))
    result['interval'] = _mean_interval(test, kept, name)
  return result


def _accuracy_by_rule(
  test: CachedSplit, answers: Sequence[Answer]
) -> dict[str, float]:
  """Share of right options by each rule of ranking, mean over templates."""
  right: dict[str, dict[int, list[bool]]] = {}
  for answer in answers:
    correct = test.rows[answer.row]['correct'] if answer.by_rule else ()
    for rule, option in answer.by_rule.items():
      by_template = right.setdefault(rule, {})
      by_template.setdefault(answer.template, []).append(option in correct)
  return {
    rule: 100 * float(np.mean([np.mean(hits) for hits in templates.values()]))
    for rule, templates in right.items()
  }


def _about(test: CachedSplit, validation: CachedSplit | None) -> dict[str, Any]:
  return {
    'dataset': test.manifest['dataset'],
    'part': test.name,
    'cluster': test.manifest['cluster'],
    'format': test.manifest['format'],
    'available_rows': len(test.rows),
    'template_set': test.manifest['template_set'],
    'split': 'adapted' if test.manifest['adapted'] else 'recorded',
    'adapted': {
      name: split.manifest['adapted']
      for name, split in (('test', test), ('validation', validation))
      if split is not None and split.manifest['adapted']
    },
    'note': test.manifest['note'],
    'cache': {
      'test': test.digest,
      'validation': validation.digest if validation else None,
    },
  }


def null_result(test: CachedSplit, reason: str) -> dict[str, Any]:
  """Returns the result of a part that cannot be evaluated as asked."""
  return {
    **_about(test, None),
    'group': None,
    'metric': test.manifest['metrics'][0],
    'rows': 0,
    'groups': 0,
    'mean': None,
    'std': None,
    'interval': None,
    'majority_rate': None,
    'best_validation': None,
    'accuracy_by_rule': {},
    'written': None,
    'clean': None,
    'templates': {},
    'null': reason,
  }


def _majority_rate(predictions: Predictions | Texts) -> float | None:
  """Share of the most frequent gold answer, where answers are classes."""
  if isinstance(predictions, Texts):
    return None
  gold = predictions.gold
  return 100 * float(np.bincount(gold).max() / len(gold))


def _best_validation(
  validation, validation_answers, templates, name
) -> dict[str, Any] | None:
  """Returns the template best on development rows; the first of equals."""
  if validation is None or not validation_answers:
    return None
  scores = {
    template: predictions.value(name)
    for template, (_, predictions) in predictions_by_template(
      validation, validation_answers, [name]
    ).items()
    if template in templates
  }
  sign = -1 if name in text_metrics.LOWER_IS_BETTER else 1
  best = max(scores, key=lambda template: (sign * scores[template], -template))
  return {
    'template': best,
    'validation': scores[best],
    'test': templates[best][name],
    'interval': templates[best]['interval'],
    'validation_rows': len({answer.row for answer in validation_answers}),
  }


def summary(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns the unweighted mean over parts that report the same metric."""
  by_metric: dict[str, list[float]] = {}
  for result in results:
    if result['mean'] is None:
      continue
    by_metric.setdefault(result['metric'], []).append(result['mean'])
  return {
    name: {'mean': float(np.mean(values)), 'parts': len(values)}
    for name, values in by_metric.items()
  }
