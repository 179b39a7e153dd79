"""What stands before every request: its origin, its size, and its figures."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Collection
import contextlib
import json
import time
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flan_jax.serving.api_error import ApiError, busy
from flan_jax.serving.limits import Limits
from flan_jax.serving.server_metrics import ServerMetrics
from flan_jax.serving.strict_json import read_object

_JSON = 'application/json'
# How long, and how many times the largest body, a body that is too large is
# read before the connection is closed.
_LINGER_SECONDS, _LINGER_BODIES = 0.5, 8
# Nothing from elsewhere runs in the page, and no other page shows it.
_HEADERS = {
  'Content-Security-Policy': (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
  ),
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
}

T = TypeVar('T')


class JsonResponse(Response):
  """JSON in ASCII, which can hold whatever a client sent."""

  media_type = _JSON

  def render(self, content: Any) -> bytes:
    return json.dumps(content, allow_nan=False).encode()


def error_response(error: ApiError) -> JsonResponse:
  """Returns the response to a request that is not answered."""
  return JsonResponse(error.body(), error.status, error.headers)


async def read_body(request: Request, limits: Limits) -> dict[str, Any]:
  """Returns the JSON object that a request holds.

  Raises:
    ApiError: It holds something else, too much, or arrives too slowly.
  """
  kind, _, parameters = request.headers.get('content-type', '').partition(';')
  # A page of another origin can send other types without asking.
  if kind.strip().lower() != _JSON:
    raise ApiError(
      f'set Content-Type: {_JSON}', code='unsupported_media_type', status=415
    )
  charset = parameters.replace('"', '').strip().lower()
  if charset not in ('', 'charset=utf-8'):
    raise ApiError('send UTF-8', code='unsupported_media_type', status=415)
  if request.headers.get('content-encoding', 'identity') != 'identity':
    raise ApiError(
      'send the body without compression',
      code='unsupported_media_type',
      status=415,
    )
  try:
    async with asyncio.timeout(limits.body_seconds):
      body = await _received(request, limits.body_bytes)
  except TimeoutError as error:
    raise ApiError(
      'the body arrived too slowly',
      code='slow_body',
      status=408,
      headers={'Connection': 'close'},
    ) from error
  return read_object(body)


async def _received(request: Request, most: int) -> bytes:
  stated = request.headers.get('content-length', '0')
  if not stated.isdecimal() or len(stated) > 12 or int(stated) > most:
    await _discard(request.stream(), _LINGER_BODIES * most)
    raise _too_large(most)
  body, stream = bytearray(), request.stream()
  async for part in stream:
    body += part
    if len(body) > most:
      await _discard(stream, _LINGER_BODIES * most)
      raise _too_large(most)
  return bytes(body)


async def _discard(stream: AsyncIterator[bytes], most: int) -> None:
  """Reads on for a moment, so that the client gets to read the error.

  A connection that is closed with bytes unread is reset, and the answer lost.
  """
  with contextlib.suppress(TimeoutError):
    async with asyncio.timeout(_LINGER_SECONDS):
      async for part in stream:
        most -= len(part)
        if most < 0:
          return


def _too_large(most: int) -> ApiError:
  return ApiError(
    f'the body has more than {most} bytes',
    code='too_large',
    status=413,
    headers={'Connection': 'close'},
  )


async def while_connected(request: Request, work: Awaitable[T]) -> T:
  """Awaits work, and cancels it if the client goes away.

  Raises:
    ClientDisconnect: The client has gone.
  """
  working = asyncio.ensure_future(work)
  watching = asyncio.ensure_future(_gone(request))
  try:
    await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
    if not working.done():
      raise ClientDisconnect
    return working.result()
  finally:
    for task in (working, watching):
      task.cancel()
    # Its context cancels the jobs before the request ends.
    await asyncio.gather(working, watching, return_exceptions=True)


async def _gone(request: Request) -> None:
  while (await request.receive())['type'] != 'http.disconnect':
    pass


class Guard:
  """Refuses foreign hosts, adds headers, and counts what is answered."""

  def __init__(
    self,
    app: ASGIApp,
    metrics: ServerMetrics,
    most: int,
    hosts: Collection[str] | None,
  ):
    """Initializes the guard of an application.

    Args:
      app: The application.
      metrics: Counts requests.
      most: Most requests with a body at the same time.
      hosts: Names under which the server is known; None for any. Otherwise a
        page of an attacker, whose name is made to mean this machine, could
        read answers.
    """
    self._app = app
    self._metrics = metrics
    self._most = most
    self._hosts = hosts
    self._active = 0

  async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
    if scope['type'] != 'http':
      await self._app(scope, receive, send)
      return
    begin, status = time.monotonic(), 0

    async def send_guarded(message: Message) -> None:
      nonlocal status
      if message['type'] == 'http.response.start':
        status = message['status']
        message['headers'] = [*message['headers'], *_ENCODED]
      await send(message)

    # Health and figures are told even then.
    counted = scope['method'] == 'POST'
    self._active += counted
    try:
      await self._chosen(scope)(scope, receive, send_guarded)
    except Exception:
      status = 500
      raise
    finally:
      self._active -= counted
      # Only routes, or a client could make names without end.
      route = getattr(scope.get('endpoint'), '__name__', 'other')
      self._metrics.requests.labels(route, str(status or 499)).inc()
      self._metrics.latency.labels(route).observe(time.monotonic() - begin)

  def _chosen(self, scope: Scope) -> ASGIApp:
    """Returns the application, or what refuses the request."""
    if not self._known(scope):
      return error_response(_foreign())
    if self._active > self._most:
      error = busy('too many requests at the same time', 503, 'overloaded')
      return error_response(error)
    return self._app

  def _known(self, scope: Scope) -> bool:
    if self._hosts is None:
      return True
    hosts = [value for name, value in scope['headers'] if name == b'host']
    if len(hosts) != 1:
      return False
    name = hosts[0].decode('latin-1').lower()
    # Without the port; an address of version 6 is in brackets.
    bare = name if name.endswith(']') else name.rsplit(':', 1)[0]
    return bare in self._hosts


_ENCODED = [(k.lower().encode(), v.encode()) for k, v in _HEADERS.items()]


def _foreign() -> ApiError:
  return ApiError(
    'the server does not answer under this host name',
    code='unknown_host',
    status=421,
  )
