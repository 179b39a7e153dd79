"""The routes of the server."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
import contextlib
import importlib.resources
import time
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from flan_jax.serving.api_error import ApiError
from flan_jax.serving.completions import Desk, Stream, ask, complete
from flan_jax.serving.engine import Engine
from flan_jax.serving.http_guard import (
  Guard,
  JsonResponse,
  error_response,
  read_body,
  while_connected,
)
from flan_jax.serving.limits import Limits
from flan_jax.serving.ranking import ranked
from flan_jax.serving.scheduler import Scheduler
from flan_jax.serving.schema import (
  CompletionRequest,
  RankRequest,
  TokenizeRequest,
  read_detokenize,
)
from flan_jax.serving.served_rows import ServedRows
from flan_jax.serving.server_metrics import CONTENT_TYPE, ServerMetrics

_PAGE = {
  '/': ('playground.html', 'text/html; charset=utf-8'),
  '/playground.css': ('playground.css', 'text/css; charset=utf-8'),
  '/playground.js': ('playground.js', 'text/javascript; charset=utf-8'),
  '/icon.svg': ('icon.svg', 'image/svg+xml'),
}
# Digits of a number in a path.
_LONGEST_NUMBER = 9
_REASONS = {404: 'not_found', 405: 'method_not_allowed'}

Handler = Callable[[Request], Awaitable[Response]]


def make_app(
  engine: Engine,
  rows: ServedRows,
  limits: Limits | None = None,
  hosts: Collection[str] | None = None,
) -> Starlette:
  """Returns the application; its scheduler runs while it does.

  Args:
    engine: The models.
    rows: Rows that the page offers.
    limits: Bounds on what one client can ask for.
    hosts: Names under which the server is known; None for any.
  """
  limits = limits or Limits()
  scheduler = Scheduler(engine.lane_of, limits.waiting)
  metrics = ServerMetrics(scheduler)
  desk = Desk(engine, scheduler, metrics, limits.seconds)

  @contextlib.asynccontextmanager
  async def lifespan(app: Starlette):
    del app
    scheduler.start()
    yield
    await asyncio.to_thread(scheduler.stop)

  return Starlette(
    routes=[
      *_posts(desk, limits),
      *_gets(engine, rows, metrics),
      *(Route(path, _file(*about)) for path, about in _PAGE.items()),
    ],
    middleware=[
      Middleware(Guard, metrics=metrics, most=limits.requests, hosts=hosts)
    ],
    exception_handlers={
      ApiError: _on_api_error,
      HTTPException: _on_http_exception,
      ClientDisconnect: _on_disconnect,
      Exception: _on_bug,
    },
    lifespan=lifespan,
  )


def _posts(desk: Desk, limits: Limits) -> list[Route]:
  engine = desk.engine

  async def completions(request: Request) -> Response:
    wanted = CompletionRequest.read(await read_body(request, limits))
    # Long texts take a while to tokenize.
    asked = await asyncio.to_thread(ask, wanted, desk)
    if wanted.stream:
      events = Stream(asked, desk).events()
      return StreamingResponse(
        events, media_type='text/event-stream', headers=_FRESH
      )
    found = await while_connected(request, complete(asked, desk))
    return JsonResponse(found)

  async def rank(request: Request) -> Response:
    wanted = RankRequest.read(await read_body(request, limits))
    return JsonResponse(await while_connected(request, ranked(wanted, desk)))

  async def tokenize(request: Request) -> Response:
    wanted = TokenizeRequest.read(await read_body(request, limits))
    tokens = await asyncio.to_thread(
      engine.tokenize, wanted.prompt, wanted.framed
    )
    most = engine.served.context
    found = {'tokens': tokens, 'count': len(tokens), 'max_model_len': most}
    return JsonResponse(found)

  async def detokenize(request: Request) -> Response:
    tokens = read_detokenize(await read_body(request, limits))
    return JsonResponse({'prompt': engine.detokenize(tokens)})

  return [
    Route('/v1/completions', completions, methods=['POST']),
    Route('/rank', rank, methods=['POST']),
    Route('/tokenize', tokenize, methods=['POST']),
    Route('/detokenize', detokenize, methods=['POST']),
  ]


def _gets(
  engine: Engine, rows: ServedRows, metrics: ServerMetrics
) -> list[Route]:
  started = int(time.time())
  vocabulary = engine.served.vocabulary
  names = {number: name for name, number in vocabulary.special.items()}

  async def models(request: Request) -> Response:
    del request
    found = [
      {
        'id': name,
        'object': 'model',
        'created': started,
        'owned_by': 'flan_jax',
        'max_model_len': engine.served.context,
      }
      for name in engine.served.checkpoints
    ]
    return JsonResponse({'object': 'list', 'data': found})

  async def tokenizer(request: Request) -> Response:
    del request
    return JsonResponse(
      {
        'eos_token': names.get(vocabulary.eos_id),
        'bos_token': names.get(vocabulary.bos_id),
        'pad_token': None,
        'chat_template': None,
      }
    )

  async def healthz(request: Request) -> Response:
    del request
    return JsonResponse({'status': 'ok'})

  async def figures(request: Request) -> Response:
    del request
    return Response(metrics.text(), headers={'Content-Type': CONTENT_TYPE})

  async def examples(request: Request) -> Response:
    del request
    return JsonResponse({'datasets': rows.listed})

  async def example(request: Request) -> Response:
    name, *numbers = request.path_params.values()
    if not all(n.isascii() and n.isdecimal() for n in numbers):
      raise HTTPException(404)
    if any(len(number) > _LONGEST_NUMBER for number in numbers):
      raise HTTPException(404)
    found = await asyncio.to_thread(rows.find, name, *map(int, numbers))
    return JsonResponse(found)

  return [
    Route('/v1/models', models),
    Route('/tokenizer_info', tokenizer),
    Route('/healthz', healthz),
    Route('/metrics', figures),
    Route('/examples', examples),
    Route('/examples/{name}/{template}/{row}', example),
  ]


def _file(name: str, media_type: str) -> Handler:
  """Returns the handler of a file of the page, which is read once."""
  folder = importlib.resources.files('flan_jax.serving') / 'page'
  content = (folder / name).read_bytes()

  async def page(request: Request) -> Response:
    del request
    return Response(content, media_type=media_type, headers=_FRESH)

  return page


_FRESH = {'Cache-Control': 'no-cache'}


async def _on_api_error(request: Request, error: ApiError) -> Response:
  del request
  return error_response(error)


async def _on_http_exception(
  request: Request, error: HTTPException
) -> Response:
  method, path = request.method[:20], request.url.path[:80]
  return error_response(
    ApiError(
      f'{method} {path}: {error.detail}',
      code=_REASONS.get(error.status_code, 'http_error'),
      status=error.status_code,
      headers=error.headers,
    )
  )


async def _on_disconnect(request: Request, error: Any) -> Response:
  # Nobody reads it.
  del request, error
  return Response(status_code=499)


async def _on_bug(request: Request, error: Exception) -> Response:
  del request, error
  message = 'the server failed on this request; its log has the reason'
  return error_response(ApiError(message, code='internal_error', status=500))
