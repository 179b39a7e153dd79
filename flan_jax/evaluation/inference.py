"""Answers to prompts from a file, or to the test rows of tasks."""

from collections.abc import Sequence
import dataclasses
from typing import Any

from flan_jax.cache.framing import Framing
from flan_jax.errors import ConfigError
from flan_jax.evaluation.eval_parts import EvalPart
from flan_jax.evaluation.generation.stopping import stop_texts
from flan_jax.evaluation.models import Session
from flan_jax.evaluation.prompts import ENDED, GENERATED, PROMPT, Prompt
from flan_jax.evaluation.ranked import rank_options
from flan_jax.evaluation.requests import Request, requests
from flan_jax.evaluation.written import (
  Written,
  write,
  written_record,
)
from flan_jax.runtime import processes


@dataclasses.dataclass(frozen=True)
class Ending:
  """When an answer ends, if not at the end token.

  Attributes:
    tokens: Most tokens of an answer, end token included; None for the `targets`
      of the cache's lengths.
    texts: Texts that end an answer; it contains the part before the first.
  """

  tokens: int | None = None
  texts: str | Sequence[str] | None = ()

  def __post_init__(self):
    if self.tokens is not None and not (
      isinstance(self.tokens, int) and self.tokens > 0
    ):
      raise ConfigError(
        f'MAX_NEW_TOKENS must be a positive integer, not {self.tokens!r}'
      )
    object.__setattr__(self, 'texts', stop_texts(self.texts))


@dataclasses.dataclass(frozen=True)
class PromptInference:
  """Continues the prompts of a file.

  Attributes:
    prompts: The prompts, whose other keys are copied to their answers.
    tokens: Token ids of each, from `prompts.prompt_tokens`.
  """

  prompts: Sequence[Prompt]
  tokens: Sequence[Sequence[int]]

  @property
  def size(self) -> int:
    """Number of answers to find."""
    return len(self.prompts)

  def answer(self, session: Session, ending: Ending) -> list[dict[str, Any]]:
    """Returns one object for each prompt, in order."""
    written = _write(self.tokens, session, ending)
    return [
      {**prompt.fields, **_fields(answer)}
      for prompt, answer in zip(self.prompts, written, strict=True)
    ]


@dataclasses.dataclass(frozen=True)
class RowInference:
  """Answers rows as an evaluation does, and also writes where that ranks.

  Attributes:
    queue: The requests.
  """

  queue: Sequence[Request]

  @classmethod
  def of(
    cls, parts: Sequence[EvalPart], framing: Framing, max_rows: int | None
  ) -> 'RowInference':
    """Returns the inference over the test rows of parts.

    Raises:
      ConfigError: there are no rows.
    """
    queue = []
    for part in parts:
      if part.null:
        processes.log(f'left out: {part.test.name}: {part.null}')
      else:
        queue += requests(part.test, framing, part.templates, max_rows)
    if not queue:
      raise ConfigError('MIXTURE_OR_TASK_NAME has no rows to answer')
    return cls(queue)

  @property
  def size(self) -> int:
    """Number of answers to find; ranked requests have two."""
    return len(self.queue) + sum(request.ranked for request in self.queue)

  def answer(self, session: Session, ending: Ending) -> list[dict[str, Any]]:
    """Returns the record of each request with its prompt and what was written.

    Args:
      session: Answers.
      ending: When a written answer ends.
    """
    ranked = [request for request in self.queue if request.ranked]
    records = iter(rank_options(ranked, session))
    written = _write([r.example.prompt for r in self.queue], session, ending)
    found = []
    for request, answer in zip(self.queue, written, strict=True):
      record = (
        next(records)
        if request.ranked
        else written_record(request, answer.text)
      )
      prompt = session.models.vocabulary.decode(request.example.prompt)
      found.append({**record, PROMPT: prompt, **_fields(answer)})
    return found


def _write(
  prompts: Sequence[Sequence[int]], session: Session, ending: Ending
) -> list[Written]:
  limits = [ending.tokens] * len(prompts)
  return write(prompts, limits, session, 'written', ending.texts)


def _fields(answer: Written) -> dict[str, Any]:
  return {GENERATED: answer.text, ENDED: answer.ended}
