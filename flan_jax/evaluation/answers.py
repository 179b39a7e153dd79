"""What a model writes after prompts, of a file or of a task's rows."""

from collections.abc import Callable, Sequence
import dataclasses
from typing import Any

from flan_jax.errors import ConfigError
from flan_jax.evaluation.evaluator import (
  Models,
  score_requests,
  scores_alone,
  written_record,
)
from flan_jax.evaluation.generation.stopping import (
  stop_at,
  stop_texts,
  text_before,
)
from flan_jax.evaluation.requests import Request

# Keys of an answer beside what is carried through, or known of its row.
PROMPT, GENERATED, ENDED = 'prompt', 'generated', 'ended'
RESERVED = (GENERATED, ENDED)


@dataclasses.dataclass(frozen=True)
class Ending:
  """When an answer ends, if not by the end token.

  Attributes:
    tokens: Most tokens of it, the end token included.
    texts: It ends before the first of these.
  """

  tokens: int
  texts: tuple[str, ...] = ()

  def __post_init__(self):
    if not isinstance(self.tokens, int) or self.tokens < 1:
      raise ConfigError(
        f'MAX_NEW_TOKENS must be a positive integer, not {self.tokens!r}'
      )
    object.__setattr__(self, 'texts', stop_texts(self.texts))


@dataclasses.dataclass(frozen=True)
class Written:
  """What was written after one prompt.

  Attributes:
    text: Without what ended it.
    ended: Whether the end token or a text ended it, not its length.
  """

  text: str
  ended: bool

  @property
  def fields(self) -> dict[str, Any]:
    return {GENERATED: self.text, ENDED: self.ended}


def write(
  prompts: Sequence[Sequence[int]],
  models: Models,
  params: Any,
  ending: Ending,
  advance: Callable[[int], None] = lambda count: None,
) -> list[Written]:
  """Continues prompts.

  Args:
    prompts: Token ids of each, with what separates it from an answer.
    models: Whose generator writes.
    params: Parameters of the decoder.
    ending: When an answer ends.
    advance: Called with the number of prompts done since last.
  """
  decode = models.vocabulary.decode
  answers = models.generator.generate(
    params,
    prompts,
    [ending.tokens] * len(prompts),
    advance,
    stop_at(decode, ending.texts),
  )
  found = []
  for tokens in answers:
    whole = decode(tokens)
    text = text_before(whole, ending.texts)
    # The end token is one of those allowed.
    found.append(Written(text, len(tokens) < ending.tokens or text != whole))
  return found


def answer_rows(
  queue: Sequence[Request],
  models: Models,
  params: Any,
  ending: Ending,
  advance: Callable[[int], None] = lambda count: None,
) -> list[dict[str, Any]]:
  """Answers rows as evaluation does, and in free text where it ranks, too.

  Args:
    queue: What is asked.
    models: Score and answer.
    params: Parameters of the decoder.
    ending: When an answer in free text ends.
    advance: Called with the requests done since last; those that are ranked
      are done twice.

  Returns:
    For every request, in order, its record as an evaluation writes it; with
    the words of its prompt, and what was written after it.
  """
  ranked = [request for request in queue if request.ranked]
  alone = scores_alone(ranked, models, params)
  scored = iter(score_requests(ranked, models.scorer, params, advance, alone))
  written = write(
    [request.example.prompt for request in queue],
    models,
    params,
    ending,
    advance,
  )
  found = []
  for request, answer in zip(queue, written, strict=True):
    record = (
      next(scored) if request.ranked else written_record(request, answer.text)
    )
    words = models.vocabulary.decode(request.example.prompt)
    found.append({**record, PROMPT: words, **answer.fields})
  return found
