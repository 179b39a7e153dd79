"""Scores training rows that are held apart, to choose the best step."""

from collections.abc import Iterator, Sequence
import dataclasses
from typing import Any

import numpy as np

from flan_jax.batches.chosen_rows import ChosenRows
from flan_jax.batches.packing import Example
from flan_jax.cache.framing import Framing
from flan_jax.definitions.template import ANSWER_TARGET
from flan_jax.evaluation.models import Models
from flan_jax.evaluation.scoring import rank
from flan_jax.vocabulary.base import Vocabulary

LOG_LIKELIHOOD, ACCURACY = 'log_likelihood', 'accuracy'


@dataclasses.dataclass(frozen=True)
class Question:
  """A rendering of a training row.

  Attributes:
    example: The prompt and its options; for free text, the target alone.
    right: The right options; None for free text.
  """

  example: Example
  right: tuple[int, ...] | None = None

  @property
  def gold(self) -> int:
    return self.right[0] if self.right else 0


class HeldApartEvaluation:
  """Scores the gold targets of rows that training does not see.

  Attributes:
    names: Names of the metrics: `log_likelihood` of the targets, the mean over
      their tokens in nats; `accuracy` in percent, if there are options.
  """

  def __init__(self, questions: Sequence[Question], models: Models):
    self._questions = questions
    self._models = models
    ranked = any(question.right is not None for question in questions)
    self.names = (LOG_LIKELIHOOD, *([ACCURACY] if ranked else []))

  def __call__(self, params: Any) -> dict[str, float]:
    examples = [question.example for question in self._questions]
    total, tokens, correct = 0.0, 0, []
    for index, log_probs in self._models.scorer.scored(params, examples):
      question = self._questions[index]
      gold = log_probs[question.gold].astype(np.float64)
      total, tokens = total + gold.sum(), tokens + len(gold)
      if question.right is not None:
        chosen = rank.best([values.sum() for values in log_probs])
        correct.append(chosen in question.right)
    values = {LOG_LIKELIHOOD: total / tokens}
    if correct:
      values[ACCURACY] = 100 * float(np.mean(correct))
    return values


def questions_of(
  split: ChosenRows, framing: Framing, vocabulary: Vocabulary
) -> Iterator[Question]:
  """Yields the renderings of a training split as questions.

  The cache has only the targets of training rows, so options are tokenized
  here, as the cache does it for evaluation.
  """
  limit = split.manifest['lengths']['targets']

  def target(span, cut):
    return tuple(framing.target(span, cut))

  for index, rendering in enumerate(split.renderings):
    row = split.rows[int(rendering['row'])]
    prompt = split.prompt(index, framing)
    template = split.part.templates[int(rendering['template'])]
    if 'correct' not in row or template.target != ANSWER_TARGET:
      _, span = split.spans(rendering)
      cut = bool(rendering['targets_cut'])
      yield Question(Example(prompt, (target(span.tolist(), cut),)))
      continue
    texts = row.get('options') or split.part.choices.values()
    spans = [vocabulary.encode(text)[:limit] for text in texts]
    targets = tuple(target(span, len(span) >= limit) for span in spans)
    yield Question(Example(prompt, targets), tuple(row['correct']))
