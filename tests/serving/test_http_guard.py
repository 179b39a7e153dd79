"""Clients that are slow, go away, or come in crowds, over real connections."""

import concurrent.futures
import json
import socket
import threading
import time
import urllib.parse

import httpx2
import pytest

from flan_jax.serving.app import make_app
from flan_jax.serving.engine import Engine
from flan_jax.serving.limits import Limits
from tests.serving import tiny_server
from tests.serving.listening import listening

_PATH = '/v1/completions'
_BODY = {'prompt': 'x', 'max_tokens': 2, 'temperature': 0}
_WAITING = 3
# Far more than a test needs, and never waited for.
_LONG = 60


class _HeldLane:
  """Answers nothing until it is released; drops what is cancelled."""

  running = 0

  def __init__(self):
    self.jobs = []
    self.seen = []
    self.released = threading.Event()

  def add(self, job):
    self.jobs.append(job)
    self.seen.append(job)

  def step(self):
    self.released.wait(0.002)
    self.jobs = [job for job in self.jobs if not job.cancelled]

  def fail(self, error):
    raise AssertionError(error)


class _HeldEngine(Engine):
  def __init__(self):
    super().__init__(tiny_server.served())
    self.lane = _HeldLane()

  def lane_of(self, job):
    return self.lane


def _wait_until(true):
  end = time.monotonic() + _LONG
  while not true():
    assert time.monotonic() < end
    time.sleep(0.005)


@pytest.fixture
def held():
  """Yields an address and the lane that holds its requests."""
  engine = _HeldEngine()
  limits = Limits(waiting=_WAITING, seconds=_LONG, body_seconds=1.5)
  with listening(make_app(engine, tiny_server.no_rows(), limits)) as address:
    yield address, engine.lane


def _connect(address):
  parts = urllib.parse.urlsplit(address)
  return socket.create_connection((parts.hostname, parts.port))


def _head(*lines):
  lines = (f'POST {_PATH} HTTP/1.1', 'Host: 127.0.0.1', *lines)
  return '\r\n'.join(
    [*lines, 'Content-Type: application/json', '', '']
  ).encode()


def _response(connection):
  """Returns the status and the error of a response that closes."""
  data = b''.join(iter(lambda: connection.recv(65536), b''))
  head, _, body = data.partition(b'\r\n\r\n')
  return int(head.split()[1]), json.loads(body)['error']['code']


def test_a_body_that_does_not_end_is_refused_while_it_arrives(held):
  address, _ = held
  with _connect(address) as connection:
    connection.sendall(_head('Transfer-Encoding: chunked'))
    chunk = b'10000\r\n' + b' ' * 65536 + b'\r\n'
    for _ in range(17):
      connection.sendall(chunk)
    assert _response(connection) == (413, 'too_large')


def test_a_body_that_does_not_come_is_not_waited_for(held):
  address, _ = held
  with _connect(address) as connection:
    connection.sendall(_head('Content-Length: 100') + b'{"prompt"')
    assert _response(connection) == (408, 'slow_body')


@pytest.mark.parametrize('stream', [False, True])
def test_a_client_that_goes_away_cancels_its_request(held, stream):
  address, lane = held
  with _connect(address) as connection:
    body = json.dumps({**_BODY, 'stream': stream}).encode()
    connection.sendall(_head(f'Content-Length: {len(body)}') + body)
    _wait_until(lambda: lane.seen)
  _wait_until(lambda: not lane.jobs)
  assert lane.seen[0].cancelled


def test_a_full_queue_tells_when_to_come_again(held):
  address, lane = held
  with concurrent.futures.ThreadPoolExecutor() as pool:
    asked = [pool.submit(_cancelled_post, address) for _ in range(_WAITING)]
    _wait_until(lambda: len(lane.seen) == _WAITING)
    response = httpx2.post(address + _PATH, json=_BODY)
    assert response.status_code == 429
    assert response.json()['error']['type'] == 'rate_limit_error'
    assert int(response.headers['retry-after']) > 0
    metrics = httpx2.get(f'{address}/metrics').text
    assert f'flan_jax_queue_length {_WAITING}.0' in metrics
    for future in asked:
      future.result()
  # Those that went away left their places.
  _wait_until(lambda: not lane.jobs)
  with pytest.raises(httpx2.ReadTimeout):
    httpx2.post(address + _PATH, json=_BODY, timeout=0.2)


def test_more_requests_than_the_server_holds_are_refused_at_once():
  engine = _HeldEngine()
  app = make_app(engine, tiny_server.no_rows(), Limits(requests=2))
  with (
    listening(app) as address,
    concurrent.futures.ThreadPoolExecutor() as pool,
  ):
    asked = [pool.submit(_cancelled_post, address) for _ in range(2)]
    _wait_until(lambda: len(engine.lane.seen) == 2)
    response = httpx2.post(address + _PATH, json=_BODY)
    assert response.status_code == 503
    assert response.json()['error']['code'] == 'overloaded'
    assert int(response.headers['retry-after']) > 0
    assert httpx2.get(f'{address}/healthz').is_success
    for future in asked:
      future.result()


def _cancelled_post(address):
  with pytest.raises(httpx2.ReadTimeout):
    httpx2.post(address + _PATH, json=_BODY, timeout=3)


@pytest.mark.parametrize('stream', [False, True])
def test_a_request_that_takes_too_long_is_cancelled(stream):
  engine = _HeldEngine()
  app = make_app(engine, tiny_server.no_rows(), Limits(seconds=0.05))
  with listening(app) as address:
    response = httpx2.post(address + _PATH, json={**_BODY, 'stream': stream})
    if stream:
      # The status had been sent.
      assert response.status_code == 200
      error = json.loads(response.text.removeprefix('data: '))['error']
    else:
      assert response.status_code == 504
      error = response.json()['error']
    assert (error['code'], error['type']) == ('timeout', 'server_error')
    _wait_until(lambda: not engine.lane.jobs)
