"""Clients that ask one request after the other until their time is up."""

import asyncio
import collections
import dataclasses
import json
import pathlib
import random
import time
from typing import Any

import httpx2

import flan_jax

_MINI = pathlib.Path(flan_jax.__file__).parent / 'mini'
# Prompts of 20 to 200 tokens, from the mini corpus.
_PATTERNS = {
  'samsum': '{dialogue}\n\nSum this conversation up.',
  'common_gen': 'Write a sentence with the words {concepts}.',
  'bool_q': '{passage}\n\nIs it true? {question}?',
  'gigaword': '{document}\n\nWrite a headline.',
}
# What a client asks in turn: mostly answers, and what scores texts.
_TURNS = ('complete', 'complete', 'stream', 'complete', 'rank', 'echo')


@dataclasses.dataclass
class Answers:
  """What the clients of one phase saw.

  Attributes:
    seconds: Length of the phase, until the last answer.
    latencies: Seconds of each answered request, by kind.
    tokens: Tokens that were generated.
    errors: Number of failed requests, by status or exception.
  """

  seconds: float = 0.0
  latencies: dict[str, list[float]] = dataclasses.field(
    default_factory=lambda: collections.defaultdict(list)
  )
  tokens: int = 0
  errors: collections.Counter = dataclasses.field(
    default_factory=collections.Counter
  )


def prompts() -> list[str]:
  """Returns prompts made from rows of the mini corpus."""
  found = []
  for name, pattern in _PATTERNS.items():
    for line in (_MINI / f'{name}.jsonl').read_text('utf-8').splitlines():
      fields = json.loads(line)
      shown = {
        key: ', '.join(value) if isinstance(value, list) else value
        for key, value in fields.items()
      }
      found.append(pattern.format(**shown))
  random.Random(0).shuffle(found)
  return found


@dataclasses.dataclass(frozen=True)
class Crowd:
  """Clients that ask at the same time.

  Attributes:
    clients: Their number.
    seconds: No client asks again after this time.
    least: Requests of each client, whatever the time.
    new_tokens: Most tokens of an answer.
  """

  clients: int
  seconds: float
  least: int
  new_tokens: int


def ask(address: str, crowd: Crowd) -> Answers:
  """Lets clients ask a server; returns what they saw."""
  return asyncio.run(_ask(address, crowd))


async def _ask(address: str, crowd: Crowd) -> Answers:
  answers, texts = Answers(), prompts()
  begin = time.monotonic()
  async with httpx2.AsyncClient(
    base_url=address,
    timeout=600,
    limits=httpx2.Limits(max_connections=crowd.clients),
  ) as session:

    async def client(number: int) -> None:
      asked = 0
      while asked < crowd.least or time.monotonic() - begin < crowd.seconds:
        kind = _TURNS[(number + asked) % len(_TURNS)]
        prompt = texts[(7 * number + asked) % len(texts)]
        await _request(session, kind, prompt, crowd.new_tokens, answers)
        asked += 1

    await asyncio.gather(*map(client, range(crowd.clients)))
  answers.seconds = time.monotonic() - begin
  return answers


async def _request(session, kind, prompt, new_tokens, answers) -> None:
  begin = time.monotonic()
  try:
    response = await _post(session, kind, prompt, new_tokens)
    response.raise_for_status()
    answers.tokens += _generated(kind, response)
  except httpx2.HTTPStatusError as error:
    answers.errors[error.response.status_code] += 1
    return
  except (httpx2.HTTPError, ValueError) as error:
    answers.errors[type(error).__name__] += 1
    return
  answers.latencies[kind].append(time.monotonic() - begin)


async def _post(session, kind: str, prompt: str, new_tokens: int) -> Any:
  """Sends a request and returns the response."""
  if kind == 'rank':
    body = {'prompt': prompt, 'options': ['yes', 'no', 'it is not possible']}
    return await session.post('/rank', json=body)
  body = {'prompt': prompt, 'max_tokens': new_tokens, 'temperature': 0}
  if kind == 'echo':
    body |= {'echo': True, 'logprobs': 1, 'max_tokens': 1}
  if kind == 'stream':
    body |= {'stream': True, 'stream_options': {'include_usage': True}}
  return await session.post('/v1/completions', json=body)


def _generated(kind: str, response: Any) -> int:
  """Returns the tokens of an answer; raises ValueError if it is incomplete."""
  if kind == 'rank':
    return 0
  if kind != 'stream':
    return response.json()['usage']['completion_tokens']
  *events, usage, done, rest = response.text.split('\n\n')
  if not events or (done, rest) != ('data: [DONE]', ''):
    raise ValueError('the stream has no end')
  return json.loads(usage.removeprefix('data: '))['usage']['completion_tokens']
