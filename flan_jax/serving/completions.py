"""Answers `/v1/completions` in the form of OpenAI's interface."""

from collections.abc import AsyncIterator, Sequence
import dataclasses
import json
import time
from typing import Any
import uuid

from flan_jax.evaluation.generation.slot_batch import Predicted
from flan_jax.evaluation.generation.stopping import text_before
from flan_jax.serving.answer_text import GrowingText, logprobs_object
from flan_jax.serving.api_error import ApiError
from flan_jax.serving.engine import Engine
from flan_jax.serving.jobs import Job, Piece, Scored
from flan_jax.serving.results import Results
from flan_jax.serving.scheduler import Scheduler
from flan_jax.serving.schema import CompletionRequest
from flan_jax.serving.server_metrics import ServerMetrics


@dataclasses.dataclass(frozen=True)
class Desk:
  """What every request needs.

  Attributes:
    seconds: Most seconds until a request is answered.
  """

  engine: Engine
  scheduler: Scheduler
  metrics: ServerMetrics
  seconds: float


@dataclasses.dataclass(frozen=True)
class _Asked:
  """A request with its tokens.

  Attributes:
    about: Fields of every object that answers it.
    params: Parameters of its model.
    prompts: The tokens of each prompt.
  """

  request: CompletionRequest
  about: dict[str, Any]
  params: Any
  prompts: list[list[int]]

  @property
  def scored(self) -> bool:
    """Whether the tokens of prompts are scored."""
    return self.request.echo and self.request.logprobs is not None

  @property
  def generated(self) -> bool:
    """Whether answers are written token by token.

    Scoring a prompt already tells its likeliest next token. Clients that score
    texts ask for one token, because some servers cannot write none.
    """
    request = self.request
    known = self.scored and not request.sampling.temperature
    return request.max_tokens > (1 if known else 0)


def ask(request: CompletionRequest, desk: Desk) -> _Asked:
  """Tokenizes a request; raises ApiError if it cannot be answered."""
  name, params = desk.engine.find(request.model)
  prompts = desk.engine.prompts(request)
  desk.metrics.tokens.labels('prompt').inc(sum(map(len, prompts)))
  about = {
    'id': f'cmpl-{uuid.uuid4().hex}',
    'object': 'text_completion',
    'created': int(time.time()),
    'model': name,
  }
  return _Asked(request, about, params, prompts)


async def complete(asked: _Asked, desk: Desk) -> dict[str, Any]:
  """Returns the answer to a request; raises ApiError."""
  count = len(asked.prompts)
  async with Results(desk.seconds) as results:
    results.submit(_jobs(asked, desk, results), desk.scheduler)
    found = iter(await results.all())
  scored = [next(found) if asked.scored else None for _ in range(count)]
  pieces = [next(found) if asked.generated else None for _ in range(count)]
  choices, made = [], 0
  for index, tokens in enumerate(asked.prompts):
    piece = pieces[index] or _known(asked, scored[index], desk.engine)
    made += len(piece.answer)
    choices.append(_choice(asked, index, tokens, scored[index], piece, desk))
  desk.metrics.tokens.labels('generated').inc(made)
  return {**asked.about, 'choices': choices, 'usage': _usage(asked, made)}


def _jobs(asked: _Asked, desk: Desk, results: Results) -> list[Job]:
  """Returns the jobs of a request: those that score, then those that write."""
  engine, jobs = desk.engine, []
  if asked.scored:
    for number, tokens in enumerate(asked.prompts):
      deliver = results.deliver_to(number)
      jobs.append(engine.echo(asked.params, tokens, deliver))
  if asked.generated:
    first = len(jobs)
    for number, tokens in enumerate(asked.prompts):
      deliver = results.deliver_to(first + number)
      jobs.append(
        engine.generation(asked.request, asked.params, tokens, number, deliver)
      )
  return jobs


def _known(asked: _Asked, scored: Scored | None, engine: Engine) -> Piece:
  """Returns the answer that needed no writing: none, or the likeliest token."""
  if scored is None or not asked.request.max_tokens:
    return Piece((), (), 'length')
  top = scored.targets[0][-1].top
  token, log_prob = top[0]
  predicted = (Predicted(log_prob, top),)
  if token in engine.served.vocabulary.end_ids:
    return Piece((), predicted, 'stop', token)
  return Piece((token,), predicted, 'length')


def _choice(
  asked: _Asked,
  index: int,
  tokens: Sequence[int],
  scored: Scored | None,
  piece: Piece,
  desk: Desk,
) -> dict[str, Any]:
  request, served = asked.request, desk.engine.served
  decode = served.vocabulary.decode
  text = text_before(decode(piece.answer), request.stop)
  finish, log_probs, start = piece.finish, None, 0
  if request.echo:
    prompt = request.prompts[index]
    prompt = prompt if isinstance(prompt, str) else decode(tokens)
    text, start = prompt + text, len(prompt)
  if request.logprobs is not None:
    ids, predicted = _with_end(piece)
    if scored is not None:
      ids = [*tokens, *ids]
      predicted = [None, *scored.targets[0][:-1], *predicted]
      start = 0
    log_probs = logprobs_object(decode, ids, predicted, request.logprobs, start)
  return {
    'text': text,
    'index': index,
    'logprobs': log_probs,
    'finish_reason': finish,
  }


def _with_end(piece: Piece) -> tuple[list[int], Sequence[Predicted]]:
  """Returns the tokens that have predictions, among them an end token."""
  extra = len(piece.predicted) - len(piece.answer)
  return [*piece.answer, *[piece.end] * extra], piece.predicted


def _usage(asked: _Asked, made: int) -> dict[str, int]:
  read = sum(map(len, asked.prompts))
  return {
    'prompt_tokens': read,
    'completion_tokens': made,
    'total_tokens': read + made,
  }


class Stream:
  """The server-sent events of a request."""

  def __init__(self, asked: _Asked, desk: Desk):
    """Submits the jobs; raises ApiError if the queue has no room for them."""
    self._asked = asked
    self._desk = desk
    self._results = Results(desk.seconds)
    self._results.submit(_jobs(asked, desk, self._results), desk.scheduler)
    decode = desk.engine.served.vocabulary.decode
    self._decode = decode
    self._texts = [
      GrowingText(decode, asked.request.stop) for _ in asked.prompts
    ]
    # Tokens of each answer whose log-probabilities have been sent, and their
    # characters.
    self._sent = [(0, 0)] * len(asked.prompts)

  async def events(self) -> AsyncIterator[str]:
    """Yields events; an error that comes late is an event too."""
    made = 0
    async with self._results as results:
      try:
        async for index, piece in results.each():
          choice = self._choice(index, piece)
          if piece.finish:
            made += len(piece.answer)
          if choice['text'] or choice['logprobs'] or piece.finish:
            yield _event({**self._asked.about, 'choices': [choice]})
      except ApiError as error:
        yield _event(error.body())
        return
    self._desk.metrics.tokens.labels('generated').inc(made)
    if self._asked.request.stream_usage:
      usage = _usage(self._asked, made)
      yield _event({**self._asked.about, 'choices': [], 'usage': usage})
    yield 'data: [DONE]\n\n'

  def _choice(self, index: int, piece: Piece) -> dict[str, Any]:
    whole = piece.finish is not None
    return {
      'text': self._texts[index].add(piece.answer, whole),
      'index': index,
      'logprobs': self._logprobs(index, piece),
      'finish_reason': piece.finish,
    }

  def _logprobs(self, index: int, piece: Piece) -> dict[str, Any] | None:
    count = self._asked.request.logprobs
    if count is None:
      return None
    ids, predicted = _with_end(piece)
    first, offset = self._sent[index]
    if len(ids) <= first:
      return None
    found = logprobs_object(
      self._decode, ids[first:], predicted[first:], count, offset
    )
    offset += sum(map(len, found['tokens']))
    self._sent[index] = len(ids), offset
    return found


def _event(found: dict[str, Any]) -> str:
  return f'data: {json.dumps(found, allow_nan=False)}\n\n'
