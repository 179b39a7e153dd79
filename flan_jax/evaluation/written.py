"""Answers in free text."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from flan_jax.evaluation.generation.stopping import stop_at, text_before
from flan_jax.evaluation.models import Session
from flan_jax.evaluation.predictions import references
from flan_jax.evaluation.requests import Request


class Written(NamedTuple):
  """What the model wrote after a prompt.

  Attributes:
    text: The answer, without what ended it.
    ended: Whether the end token or a stop text ended it, not the limit.
  """

  text: str
  ended: bool


def write(
  prompts: Sequence[Sequence[int]],
  limits: Sequence[int],
  session: Session,
  kind: str,
  stop: Sequence[str] = (),
  numbers: Sequence[int] | None = None,
) -> list[Written]:
  """Continues prompts, except for those whose answers the journal has.

  Args:
    prompts: Token ids of each, including the separator.
    limits: Most tokens of each answer, end token included.
    session: Writes the answers.
    kind: Name of the queue in the journal.
    stop: Texts that end an answer, besides the end token.
    numbers: The number of each answer in the journal; None for its place.
  """
  models = session.models

  def find(todo: Sequence[int]) -> Iterator[tuple[int, Any]]:
    yield from models.generator.answers(
      session.params,
      [prompts[n] for n in todo],
      [limits[n] for n in todo],
      stop_at(models.vocabulary.decode, stop),
    )

  found = session.journal.complete(
    kind, len(prompts), find, session.bar.update, numbers
  )
  answers = []
  for limit, tokens in zip(limits, found, strict=True):
    whole = models.vocabulary.decode(tokens)
    text = text_before(whole, stop)
    # The limit includes the end token, which is not among the tokens.
    answers.append(Written(text, len(tokens) < limit or text != whole))
  return answers


def write_answers(
  queue: Sequence[Request], session: Session, kind: str, stop: Sequence[str]
) -> list[str]:
  """Answers requests with at most as many tokens as their targets may have."""
  prompts = [request.example.prompt for request in queue]
  limits = [r.split.manifest['lengths']['targets'] for r in queue]
  return [a.text for a in write(prompts, limits, session, kind, stop)]


def written_record(request: Request, text: str) -> dict[str, Any]:
  """Returns the record of a request that was answered in free text."""
  return {
    **request.about(request.example.targets[0]),
    'text': text.strip(),
    'references': references(request.split, request.row, request.template),
  }
