"""Answers by ranking options."""

from collections.abc import Iterator, Sequence
import dataclasses
from typing import Any

from flan_jax.batches.packing import Example
from flan_jax.evaluation.models import Session
from flan_jax.evaluation.requests import Request
from flan_jax.evaluation.scoring import rank
from flan_jax.evaluation.scoring.rank import OptionScore
from flan_jax.terminal.bar import Bar

# The prompt of `acc_mutual_info` (GPT-3, section 2.4).
_UNINFORMATIVE = 'Answer:'


def rank_options(
  queue: Sequence[Request], session: Session
) -> list[dict[str, Any]]:
  """Ranks the options of a queue by every rule; returns a record for each."""
  scored = _option_scores(queue, session, 'ranked')
  alone = _unconditional_scores(queue, session)
  return [
    _record(request, scores, lone)
    for request, scores, lone in zip(queue, scored, alone, strict=True)
  ]


def gold_scores(
  queue: Sequence[Request], session: Session
) -> list[tuple[OptionScore, bool | None]]:
  """Scores the right answer of each request, the first if there are several.

  Returns:
    For each request the score, and whether a right option is ranked first; None
    for free text, which is not ranked.
  """
  found = []
  for request, scores in zip(
    queue, _option_scores(queue, session, 'ranked'), strict=True
  ):
    if not request.ranked:
      found.append((scores[0], None))
      continue
    right = request.row['correct']
    chosen = rank.best([score.total for score in scores])
    found.append((scores[right[0]], chosen in right))
  return found


def _unconditional_scores(
  queue: Sequence[Request], session: Session
) -> list[list[OptionScore]]:
  """Scores the options of each request after an uninformative prompt.

  Options that several requests share, such as classes, are scored once.
  """
  words = session.models.vocabulary.encode(_UNINFORMATIVE)
  # Tasks may have soft prompts of their own, which are part of the framing.
  keys = [
    Example(
      tuple(request.framing.prompt(words)),
      tuple(map(tuple, request.example.targets)),
    )
    for request in queue
  ]
  first: dict[Example, Request] = {}
  for key, request in zip(keys, queue, strict=True):
    first.setdefault(key, request)
  asked = [
    dataclasses.replace(request, example=key) for key, request in first.items()
  ]
  silent = dataclasses.replace(session, bar=Bar(enabled=False))
  by_key = dict(zip(first, _option_scores(asked, silent, 'alone'), strict=True))
  return [by_key[key] for key in keys]


def _option_scores(
  queue: Sequence[Request], session: Session, kind: str
) -> list[list[OptionScore]]:
  """Scores a queue, except for what the journal has."""

  def find(todo: Sequence[int]) -> Iterator[tuple[int, Any]]:
    examples = [queue[n].example for n in todo]
    scorer = session.models.scorer
    for index, log_probs in scorer.scored(session.params, examples):
      scores = rank.option_scores(log_probs, queue[todo[index]].ended)
      yield index, [dataclasses.astuple(score) for score in scores]

  found = session.journal.complete(kind, len(queue), find, session.bar.update)
  return [[OptionScore(*score) for score in scores] for scores in found]


def _record(
  request: Request, scores: Sequence[OptionScore], alone: Sequence[OptionScore]
) -> dict[str, Any]:
  texts = request.option_texts
  rules = rank.values_by_rule(scores, texts, alone)
  predicted_by = {rule: rank.best(values) for rule, values in rules.items()}
  predicted, gold = predicted_by[rank.REPORTED], request.row['correct']
  return {
    **request.about(request.example.targets[gold[0]]),
    'options': [
      {
        'text': text,
        **dataclasses.asdict(score),
        'unconditional': lone.without_end,
      }
      for text, score, lone in zip(texts, scores, alone, strict=True)
    ],
    'predicted': predicted,
    'predicted_by': predicted_by,
    'text': texts[predicted],
    'gold': gold,
    'correct': predicted in gold,
  }
