"""Answers to prompts from a file, or to the test rows of tasks."""

from collections.abc import Sequence
import dataclasses
from typing import Any

from flan_jax.cache.framing import Framing
from flan_jax.errors import ConfigError
from flan_jax.evaluation.eval_parts import EvalPart
from flan_jax.evaluation.examples import prompt_text
from flan_jax.evaluation.generation.stopping import stop_texts
from flan_jax.evaluation.models import Session
from flan_jax.evaluation.prompts import ENDED, GENERATED, PROMPT, Prompt
from flan_jax.evaluation.ranked import rank_options
from flan_jax.evaluation.requests import Request, requests
from flan_jax.evaluation.written import write, written_record
from flan_jax.runtime import processes
from flan_jax.setting_types import Count, Text, Texts, check_fields


@dataclasses.dataclass(frozen=True)
class Ending:
  """When an answer ends, if not at the end token.

  Attributes:
    tokens: Most tokens of an answer, end token included; None for the `targets`
      of the cache's lengths.
    texts: Texts that end an answer; it contains the part before the first.
  """

  tokens: Count | None = None
  texts: Text | Texts | None = ()

  def __post_init__(self):
    check_fields(self)
    object.__setattr__(self, 'texts', stop_texts(self.texts))


def answer_prompts(
  prompts: Sequence[Prompt],
  tokens: Sequence[Sequence[int]],
  session: Session,
  ending: Ending,
) -> list[dict[str, Any]]:
  """Continues prompts, given the tokens of each; copies their other keys."""
  session.bar.total = len(prompts)
  written = _write(tokens, session, ending)
  pairs = zip(prompts, written, strict=True)
  return [{**prompt.fields, **fields} for prompt, fields in pairs]


def rows_to_answer(
  parts: Sequence[EvalPart], framing: Framing, max_rows: int | None
) -> list[Request]:
  """Returns the requests of the test rows of parts.

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
  return queue


def answer_rows(
  queue: Sequence[Request], session: Session, ending: Ending
) -> list[dict[str, Any]]:
  """Answers rows as an evaluation does, and also writes where that ranks.

  Returns the record of each request with its prompt and what was written.
  """
  ranked = [request for request in queue if request.ranked]
  session.bar.total = len(queue) + len(ranked)
  records = iter(rank_options(ranked, session))
  prompts = [request.example.prompt for request in queue]
  found = []
  for request, fields in zip(
    queue, _write(prompts, session, ending), strict=True
  ):
    if request.ranked:
      record = next(records)
    else:
      record = written_record(request, fields[GENERATED])
    found.append({**record, PROMPT: prompt_text(request, session), **fields})
  return found


def _write(
  prompts: Sequence[Sequence[int]], session: Session, ending: Ending
) -> list[dict[str, Any]]:
  limits = [ending.tokens] * len(prompts)
  written = write(prompts, limits, session, 'written', ending.texts)
  return [{GENERATED: text, ENDED: ended} for text, ended in written]
