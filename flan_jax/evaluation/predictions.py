"""Answers to the rows of a split, as metrics see them."""

from collections.abc import Mapping, Sequence
import dataclasses
import itertools
from typing import Any

import numpy as np

from flan_jax.cache.cached_split import CachedSplit
from flan_jax.definitions.dataset import ANSWER_TARGET
from flan_jax.evaluation.metrics import text_metrics
from flan_jax.evaluation.metrics.choice_metrics import Predictions
from flan_jax.evaluation.metrics.texts import Texts


@dataclasses.dataclass(frozen=True)
class Answer:
  """The model's answer to one rendering of a split.

  Attributes:
    row: Row of the split.
    template: Template index.
    option: Option chosen; None for an answer in free text.
    text: The answer in words.
    by_rule: The option that each rule of `rank.values_by_rule` chooses.
    written: The options that equal the text the model wrote, if it was asked to
      write where it ranks options.
    shots: The exemplars before the question.
  """

  row: int
  template: int
  option: int | None
  text: str
  by_rule: Mapping[str, int] = dataclasses.field(default_factory=dict)
  written: Sequence[int] | None = None
  shots: int = 0

  @classmethod
  def recorded(cls, row: int, record: Mapping[str, Any]) -> 'Answer':
    """Returns the answer that a record of an evaluation holds."""
    return cls(
      row=row,
      template=record['template'],
      option=record.get('predicted'),
      text=record['text'],
      by_rule=record.get('predicted_by', {}),
      written=record.get('options_generated'),
      shots=record['shots'],
    )


# Template -> rows of the split, and the predictions for them.
ByTemplate = dict[int, tuple[np.ndarray, Predictions | Texts]]


def by_group(
  split: CachedSplit, answers: Sequence[Answer]
) -> dict[str | None, list[Answer]]:
  """Divides answers by the group of their template, in order of templates."""
  found: dict[str | None, list[Answer]] = {}
  for answer in sorted(answers, key=lambda answer: answer.template):
    group = split.part.templates[answer.template].group
    found.setdefault(group, []).append(answer)
  return found


def predictions_by_template(
  split: CachedSplit, answers: Sequence[Answer], metrics: Sequence[str]
) -> ByTemplate:
  """Returns template -> (rows, predictions), rows in the split's order."""
  ordered = sorted(answers, key=lambda answer: (answer.template, answer.row))
  result = {}
  for template, group in itertools.groupby(ordered, lambda a: a.template):
    items = list(group)
    rows = np.array([item.row for item in items])
    result[template] = rows, _predictions(split, template, items, metrics)
  return result


def _predictions(
  split: CachedSplit,
  template: int,
  answers: Sequence[Answer],
  metrics: Sequence[str],
) -> Predictions | Texts:
  rows = [split.rows[answer.row] for answer in answers]
  texts = None
  of_text = [name for name in metrics if name in text_metrics.METRICS]
  if of_text:
    gold = [references(split, row, template) for row in rows]
    texts = Texts.of([answer.text for answer in answers], gold, of_text)
  if answers[0].option is None:
    return texts
  predicted = np.array([answer.option for answer in answers])
  pairs = zip(predicted, rows, strict=True)
  item = np.array([row.get('item', row['id']) for row in rows])
  _, inverse, sizes = np.unique(item, return_inverse=True, return_counts=True)
  return Predictions(
    predicted=predicted,
    correct=np.array([p in row['correct'] for p, row in pairs]),
    gold=np.array([row['correct'][0] for row in rows]),
    classes=tuple(split.part.choices or ()),
    score=np.array([row.get('score', np.nan) for row in rows]),
    item=item,
    item_share=1 / sizes[inverse],
    texts=texts,
  )


def references(
  split: CachedSplit, row: Mapping[str, Any], template: int
) -> list[str]:
  """Returns the accepted answers of a row under a template.

  A template that asks for something other than the row's answer, such as the
  other language, has that as its only reference.
  """
  pattern = split.part.templates[template].target
  if pattern == ANSWER_TARGET:
    return row['answers']
  return [row['targets'][pattern]]


def row_groups(split: CachedSplit, rows: np.ndarray) -> np.ndarray:
  """Returns the group of each row; the bootstrap draws whole groups."""
  return np.array([split.rows[row]['group'] for row in rows])
