"""Examples of an evaluation, for people to read.

They are the same rows for every model: the first ones in the order in which
MAX_EVAL_ROWS takes them, under the first template of each group.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from flan_jax.evaluation.eval_parts import EvalPart
from flan_jax.evaluation.models import Session
from flan_jax.evaluation.requests import Request, row_order
from flan_jax.evaluation.written import write

# Enough to see what a model says; a model that never ends costs no more.
_MOST_TOKENS = 32


def choose(
  queue: Sequence[Request], parts: Sequence[EvalPart], count: int
) -> list[Request]:
  """Returns the requests to describe.

  Args:
    queue: All requests.
    parts: The parts that they are of; only test rows are described.
    count: Most rows of each part and group of templates.
  """
  tests = {id(part.test) for part in parts}
  by_group: dict[Any, list[Request]] = {}
  for request in queue:
    if id(request.split) in tests:
      key = id(request.split), _group(request)
      by_group.setdefault(key, []).append(request)
  chosen = []
  for requests in by_group.values():
    first = min(request.template for request in requests)
    place = np.argsort(row_order(requests[0].split))
    under = [request for request in requests if request.template == first]
    under.sort(key=lambda request: place[request.row_index])
    chosen += under[:count]
  return chosen


def describe(
  chosen: Sequence[Request],
  answered: Sequence[tuple[Request, dict[str, Any]]],
  session: Session,
  stop: Sequence[str],
) -> list[dict[str, Any]]:
  """Returns one object for each chosen request.

  `docs/evaluation.md` describes its keys. Where options are ranked and the
  model was not asked to write as well, it now writes a short answer.

  Args:
    chosen: The requests to describe.
    answered: Every request with its record.
    session: Writes the answers.
    stop: Texts that end a free-text answer.
  """
  records = {id(request): record for request, record in answered}
  texts = _written(chosen, answered, session, stop)
  found = []
  for request, text in zip(chosen, texts, strict=True):
    record = records[id(request)]
    options = record.get('options')
    if options is None:
      gold = record['references'][0]
    else:
      gold = options[record['gold'][0]]['text']
    found.append(
      {
        'part': record['part'],
        'group': _group(request),
        'format': record['format'],
        'shots': record['shots'],
        'template': record['template'],
        'row_id': record['id'],
        'prompt': prompt_text(request, session),
        'gold': gold,
        'options': options and [option['text'] for option in options],
        'scores': options and [option['total'] for option in options],
        'predicted': record['text'],
        'written': text,
      }
    )
  return found


def _group(request: Request) -> str | None:
  return request.split.part.templates[request.template].group


def prompt_text(request: Request, session: Session) -> str:
  """Returns what the model sees, special tokens by name.

  Vectors of a soft prompt are not text; they are left out.
  """
  framing = session.models.framing
  vectors = len(request.framing.start) - len(framing.start)
  tokens = request.example.prompt[vectors:]
  return session.models.vocabulary.decode_markup(tokens)


def _written(
  chosen: Sequence[Request],
  answered: Sequence[tuple[Request, dict[str, Any]]],
  session: Session,
  stop: Sequence[str],
) -> Iterator[str]:
  """Yields what the model writes freely for each chosen request."""
  known, number_of = {}, {}
  for number, (request, record) in enumerate(answered):
    ranks = 'options' in record
    known[id(request)] = record.get('generated' if ranks else 'text')
    number_of[id(request)] = number
  asked = [request for request in chosen if known[id(request)] is None]
  # Answers have the numbers of requests, so that those that are known are
  # found when EVAL_EXAMPLES changes.
  answers = write(
    [request.example.prompt for request in asked],
    [_limit(request) for request in asked],
    session,
    'example',
    stop,
    [number_of[id(request)] for request in asked],
  )
  for request, answer in zip(asked, answers, strict=True):
    known[id(request)] = answer.text.strip()
  return (known[id(request)] for request in chosen)


def _limit(request: Request) -> int:
  return min(request.split.manifest['lengths']['targets'], _MOST_TOKENS)
