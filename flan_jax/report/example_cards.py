"""Examples: what the models answer to some prompts, before and after."""

from collections.abc import Mapping, Sequence
import dataclasses
import math
from typing import Any

from flan_jax.report.systems import System

WON, LOST, UNCHANGED = 'won', 'lost', 'unchanged'
REWORDED = 'other wording'
RIGHT, WRONG = 'right', 'wrong'
OUTCOMES = (WON, LOST, UNCHANGED, REWORDED, RIGHT, WRONG)
# Bytes of all examples in a page, so that it stays small.
MOST_BYTES = 2_000_000
# Bytes of markup that a card, and an option of it, take in a page.
_CARD, _OPTION = 1_000, 200


@dataclasses.dataclass(frozen=True)
class Answered:
  """What one model answers to a prompt.

  Attributes:
    model: Its label.
    predicted: The option it ranks first, or the text it writes.
    written: What it writes freely; None if it was not asked to.
    shares: Probability of each option among the options, in percent.
    right: Whether `predicted` is the gold answer.
  """

  model: str
  predicted: str
  written: str | None
  shares: tuple[float, ...]
  right: bool


@dataclasses.dataclass(frozen=True)
class Card:
  """One prompt with the answers of the models.

  Attributes:
    part: The dataset.
    template: Index of the template.
    row_id: The row.
    prompt: The text that the models see.
    gold: The right answer.
    options: The options; empty for free text.
    answers: Of the base model, if it was evaluated, and of the tuned one.
    outcome: One of `OUTCOMES`.
  """

  part: str
  template: int
  row_id: str
  prompt: str
  gold: str
  options: tuple[str, ...]
  answers: tuple[Answered, ...]
  outcome: str


def cards(
  base: System | None, tuned: System, most_bytes: int = MOST_BYTES
) -> tuple[list[Card], int]:
  """Returns the examples of a model, and how many did not fit.

  Each dataset gives as many examples as the others if not all fit.

  Args:
    base: The model before tuning, if it was evaluated.
    tuned: The model.
    most_bytes: What its examples may take in a page.
  """
  before = {} if base is None else _by_place(base)
  by_part: dict[str, list[Card]] = {}
  for place, example in _by_place(tuned).items():
    pair = [(tuned.label, example)]
    if place in before:
      pair.insert(0, (base.label, before[place]))
    card = _card(example, pair)
    by_part.setdefault(card.part, []).append(card)
  return _fitting(by_part, most_bytes)


def _by_place(system: System) -> dict[Any, Mapping[str, Any]]:
  """Returns part, template, format, … -> example."""
  keys = ('part', 'group', 'format', 'shots', 'template', 'row_id')
  return {
    tuple(example.get(key) for key in keys): example
    for evaluation in system.evaluations
    for example in evaluation.examples
  }


def _card(
  example: Mapping[str, Any], pair: Sequence[tuple[str, Mapping[str, Any]]]
) -> Card:
  answers = tuple(_answered(model, one) for model, one in pair)
  return Card(
    part=example['part'],
    template=example['template'],
    row_id=str(example['row_id']),
    prompt=example['prompt'],
    gold=example['gold'],
    options=tuple(example.get('options') or ()),
    answers=answers,
    outcome=_outcome(answers),
  )


def _answered(model: str, example: Mapping[str, Any]) -> Answered:
  return Answered(
    model=model,
    predicted=example['predicted'],
    written=example.get('written'),
    shares=_shares(example.get('scores') or ()),
    right=_bare(example['predicted']) == _bare(example['gold']),
  )


def _bare(text: str) -> str:
  return ' '.join(text.casefold().split()).removesuffix('.')


def _shares(scores: Sequence[float]) -> tuple[float, ...]:
  """Returns the softmax of log-likelihoods, in percent.

  >>> _shares([math.log(0.1), math.log(0.3)])
  (25.0, 75.0)
  """
  if not scores:
    return ()
  top = max(scores)
  odds = [math.exp(score - top) for score in scores]
  return tuple(round(100 * odd / sum(odds), 1) for odd in odds)


def _outcome(answers: Sequence[Answered]) -> str:
  *before, after = answers
  if not before:
    return RIGHT if after.right else WRONG
  if before[0].right != after.right:
    return WON if after.right else LOST
  same = _bare(before[0].predicted) == _bare(after.predicted)
  return UNCHANGED if same or after.right or after.shares else REWORDED


def _fitting(
  by_part: Mapping[str, list[Card]], most_bytes: int
) -> tuple[list[Card], int]:
  """Returns as many cards as fit, the same number of each part at most."""
  total = sum(len(found) for found in by_part.values())
  most = max(map(len, by_part.values()), default=0)

  def kept() -> list[Card]:
    return [card for found in by_part.values() for card in found[:most]]

  while most and sum(map(_size, kept())) > most_bytes:
    most -= 1
  return kept(), total - len(kept())


def _size(card: Card) -> int:
  """Returns about how many bytes a card takes in a page."""
  texts = [card.prompt, card.gold, *card.options]
  for answer in card.answers:
    texts += [answer.predicted, answer.written or '']
  markup = _CARD + _OPTION * len(card.options) * len(card.answers)
  return markup + sum(len(text.encode()) for text in texts)
