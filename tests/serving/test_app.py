"""Every malformed or hostile request gets a clear error and changes nothing."""

import json

import pytest

from tests.serving import tiny_server

_COMPLETIONS = '/v1/completions'
_JSON = {'Content-Type': 'application/json'}
_GOOD = {'prompt': 'Is a horse an animal?', 'max_tokens': 2, 'temperature': 0}
_RANK = {'prompt': 'Is it?', 'options': ['yes', 'no']}


def _body(fields):
  return json.dumps(fields).encode()


def _nested(depth):
  return b'{"prompt": ' + b'[' * depth + b']' * depth + b'}'


# Name -> (status, code or None, raw body of a completion).
_RAW = {
  'no body': (400, 'invalid_json', b''),
  'not JSON': (400, 'invalid_json', b'{"prompt": "x"'),
  'a trailing comma': (400, 'invalid_json', b'{"prompt": "x",}'),
  'two objects': (400, 'invalid_json', b'{"prompt": "x"}{}'),
  'a list': (400, 'invalid_json', b'[1]'),
  'null': (400, 'invalid_json', b'null'),
  'a string': (400, 'invalid_json', b'"x"'),
  'invalid UTF-8': (400, 'invalid_json', b'{"prompt": "\xff\xfe"}'),
  'UTF-16': (400, 'invalid_json', '{"prompt": "x"}'.encode('utf-16')),
  'a byte order mark': (400, 'invalid_json', b'\xef\xbb\xbf{"prompt": "x"}'),
  'a raw null byte': (400, 'invalid_json', b'{"prompt": "\x00"}'),
  'NaN': (400, 'invalid_json', b'{"prompt": "x", "temperature": NaN}'),
  'infinity': (400, 'invalid_json', b'{"prompt": "x", "top_p": Infinity}'),
  'a duplicate key': (400, 'invalid_json', b'{"prompt": "x", "prompt": "y"}'),
  'a duplicate odd key': (400, 'invalid_json', b'{"\\ud800": 1, "\\ud800": 2}'),
  'nesting': (400, 'invalid_json', _nested(50)),
  'deep nesting': (400, 'invalid_json', _nested(200_000)),
  'a huge integer': (
    400,
    'invalid_json',
    b'{"prompt": "x", "max_tokens": ' + b'9' * 5000 + b'}',
  ),
  'a number that overflows': (
    400,
    None,
    b'{"prompt": "x", "temperature": 1e999}',
  ),
  'an oversize body': (413, 'too_large', b' ' * (1 << 20) + b'{}'),
}

# Name -> (field named in the error, changes to a good completion).
_FIELDS = {
  'no prompt': ('prompt', {'prompt': None}),
  'an infinitesimal temperature': ('temperature', {'temperature': 1e-300}),
  'an empty prompt': ('prompt', {'prompt': ''}),
  'a number as prompt': ('prompt', {'prompt': 3}),
  'an object as prompt': ('prompt', {'prompt': {'a': 1}}),
  'no prompts': ('prompt', {'prompt': []}),
  'an empty one of prompts': ('prompt', {'prompt': ['x', '']}),
  'mixed prompts': ('prompt', {'prompt': ['x', 3]}),
  'prompts in prompts': ('prompt', {'prompt': [[[1]]]}),
  'no tokens': ('prompt', {'prompt': [[]]}),
  'too many prompts': ('prompt', {'prompt': ['x'] * 300}),
  'a token out of range': ('prompt', {'prompt': [4096]}),
  'a huge token': ('prompt', {'prompt': [10**30]}),
  'a negative token': ('prompt', {'prompt': [-1]}),
  'a fraction as token': ('prompt', {'prompt': [1.5]}),
  'a boolean as token': ('prompt', {'prompt': [True]}),
  'a huge prompt': ('prompt', {'prompt': 'horse ' * 100_000}),
  'a huge prompt of one word': ('prompt', {'prompt': 'x' * 10**6}),
  'too many tokens': ('prompt', {'prompt': [5] * 1000}),
  'an escaped null': ('prompt', {'prompt': 'a\0b'}),
  'a lone surrogate': ('prompt', {'prompt': 'a\ud800b'}),
  'a huge max_tokens': ('max_tokens', {'max_tokens': 10**6}),
  'an endless max_tokens': ('max_tokens', {'max_tokens': 10**100}),
  'no max_tokens': ('max_tokens', {'max_tokens': 0}),
  'a negative max_tokens': ('max_tokens', {'max_tokens': -1}),
  'a fraction as max_tokens': ('max_tokens', {'max_tokens': 2.0}),
  'a text as max_tokens': ('max_tokens', {'max_tokens': '2'}),
  'a boolean as max_tokens': ('max_tokens', {'max_tokens': True}),
  'a negative temperature': ('temperature', {'temperature': -0.1}),
  'a high temperature': ('temperature', {'temperature': 2.1}),
  'a huge temperature': ('temperature', {'temperature': 10**400}),
  'a text as temperature': ('temperature', {'temperature': 'hot'}),
  'a top_p of 0': ('top_p', {'top_p': 0}),
  'a top_p above 1': ('top_p', {'top_p': 1.01}),
  'a huge seed': ('seed', {'seed': 2**63}),
  'a fraction as seed': ('seed', {'seed': 0.5}),
  'too many stops': ('stop', {'stop': ['a', 'b', 'c', 'd', 'e']}),
  'an empty stop': ('stop', {'stop': ['']}),
  'a number as stop': ('stop', {'stop': 3}),
  'a long stop': ('stop', {'stop': 'x' * 201}),
  'a lone surrogate in stop': ('stop', {'stop': '\udfff'}),
  'many logprobs': ('logprobs', {'logprobs': 6}),
  'a huge logprobs': ('logprobs', {'logprobs': 10**9}),
  'negative logprobs': ('logprobs', {'logprobs': -1}),
  'a boolean as logprobs': ('logprobs', {'logprobs': True}),
  'a number as echo': ('echo', {'echo': 1}),
  'a text as stream': ('stream', {'stream': 'yes'}),
  'a streamed echo': ('echo', {'stream': True, 'echo': True}),
  'options of no stream': ('stream_options', {'stream_options': {}, 'n': 2}),
  'several answers': ('n', {'n': 2}),
  'the best of several': ('best_of', {'best_of': 3}),
  'a penalty': ('presence_penalty', {'presence_penalty': 0.5}),
  'a bias': ('logit_bias', {'logit_bias': {'50256': -100}}),
  'a suffix': ('suffix', {'suffix': 'the end'}),
  'a number as user': ('user', {'user': 3}),
  'a number as model': ('model', {'model': 3}),
  'an unknown parameter': ('functions', {'functions': []}),
  'a template': ('template', {'template': '{{ 7 * 7 }}'}),
  'an odd name': ('\ud800', {'\ud800': 1}),
}
_FIELDS['options of no stream'] = (
  'stream_options',
  {'stream_options': {'include_usage': True}},
)


def _check(response, status, param=None, code=None):
  assert response.status_code == status, response.text
  assert response.headers['content-type'] == 'application/json'
  error = response.json()['error']
  assert error.keys() == {'message', 'type', 'param', 'code'}
  assert error['message'] and len(error['message']) < 300
  assert error['type'] == 'invalid_request_error'
  if param is not None:
    assert error['param'] == param
  if code is not None:
    assert error['code'] == code


def _tokens(client):
  """Returns how many tokens were worked on so far."""
  lines = client.get('/metrics').text.splitlines()
  return [line for line in lines if line.startswith('flan_jax_tokens_total')]


@pytest.fixture(autouse=True)
def _nothing_is_computed(client):
  before = _tokens(client)
  yield
  assert _tokens(client) == before


@pytest.mark.parametrize('name', _RAW)
def test_a_body_that_is_no_request(client, name):
  status, code, body = _RAW[name]
  _check(
    client.post(_COMPLETIONS, content=body, headers=_JSON), status, code=code
  )


@pytest.mark.parametrize('name', _FIELDS)
def test_a_field_that_is_wrong(client, name):
  param, changes = _FIELDS[name]
  body = _body({**_GOOD, **changes})
  response = client.post(_COMPLETIONS, content=body, headers=_JSON)
  _check(response, 400, param)


@pytest.mark.parametrize(
  'model', ['third', '../../etc/passwd', 'first/', '', '/', 'FIRST', '..']
)
def test_a_model_that_is_not_served(client, model):
  response = client.post(_COMPLETIONS, json={**_GOOD, 'model': model})
  _check(response, 404, 'model', 'model_not_found')


@pytest.mark.parametrize(
  ('param', 'changes'),
  [
    ('prompt', {'prompt': ['x']}),
    ('prompt', {'prompt': 'horse ' * 500}),
    ('options', {'options': []}),
    ('options', {'options': 'yes'}),
    ('options', {'options': ['yes', '']}),
    ('options', {'options': ['yes', 'yes']}),
    ('options', {'options': ['yes', 3]}),
    ('options', {'options': [str(n) for n in range(65)]}),
    ('options', {'options': ['yes', 'horse ' * 500]}),
    ('temperature', {'temperature': 0}),
  ],
)
def test_options_that_cannot_be_ranked(client, param, changes):
  _check(client.post('/rank', json={**_RANK, **changes}), 400, param)


@pytest.mark.parametrize(
  ('path', 'body'),
  [
    ('/tokenize', {'prompt': 3}),
    ('/tokenize', {'prompt': 'x', 'add_special_tokens': 'no'}),
    ('/detokenize', {'tokens': [10**6]}),
    ('/detokenize', {'tokens': 'x'}),
  ],
)
def test_a_text_without_tokens(client, path, body):
  _check(client.post(path, json=body), 400)


@pytest.mark.parametrize(
  'headers',
  [
    {'Content-Type': 'text/plain'},
    {'Content-Type': 'application/x-www-form-urlencoded'},
    {'Content-Type': 'multipart/form-data; boundary=x'},
    {'Content-Type': 'application/json; charset=utf-16'},
    {'Content-Type': ''},
    {**_JSON, 'Content-Encoding': 'gzip'},
  ],
  ids=str,
)
def test_a_body_of_another_type(client, headers):
  response = client.post(_COMPLETIONS, content=_body(_GOOD), headers=headers)
  _check(response, 415, code='unsupported_media_type')


def test_an_oversize_body_in_chunks(client):
  chunks = (b' ' * 65536 for _ in range(17))
  response = client.post(_COMPLETIONS, content=chunks, headers=_JSON)
  _check(response, 413, code='too_large')


@pytest.mark.parametrize('length', ['9' * 30, '-1', 'many'])
def test_a_length_that_is_no_length(client, length):
  headers = {**_JSON, 'Content-Length': length}
  response = client.post(_COMPLETIONS, content=_body(_GOOD), headers=headers)
  _check(response, 413, code='too_large')


@pytest.mark.parametrize(
  ('method', 'path'),
  [
    ('GET', _COMPLETIONS),
    ('PUT', _COMPLETIONS),
    ('DELETE', '/rank'),
    ('POST', '/v1/models'),
    ('POST', '/'),
    ('TRACE', '/'),
  ],
)
def test_a_method_that_a_path_does_not_have(client, method, path):
  response = client.request(method, path)
  _check(response, 405, code='method_not_allowed')
  assert response.headers['allow']


@pytest.mark.parametrize(
  'path',
  [
    '/v1/chat/completions',
    '/playground.py',
    '/../setup.py',
    '/%2e%2e/%2e%2e/etc/passwd',
    '/page/playground.html',
    '/examples/rte',
    '/examples/nothing/0/0',
    '/examples/..%2f..%2fetc/0/0',
    '/examples/rte/0/999999',
    '/examples/rte/99/0',
    '/examples/rte/-1/0',
    '/examples/rte/0/1e3',
    '/examples/rte/0/' + '9' * 5000,
    '/examples/rte/0/٣',
    '/examples/%00/0/0',
  ],
)
def test_a_path_that_is_not_there(client, path):
  _check(client.get(path), 404)


def test_another_site_can_neither_ask_nor_show_the_page(client):
  headers = client.get('/').headers
  assert 'access-control-allow-origin' not in headers
  policy = headers['content-security-policy']
  assert "default-src 'none'" in policy and 'unsafe' not in policy
  assert "frame-ancestors 'none'" in policy


def test_a_name_that_is_made_to_mean_this_machine_is_refused(rows):
  from starlette.testclient import TestClient

  from flan_jax.serving.app import make_app

  app = make_app(
    tiny_server.engine(), rows, hosts=('127.0.0.1', 'localhost', '[::1]')
  )
  known = ('localhost', 'localhost:8000', '127.0.0.1:80', '[::1]:80', '[::1]')
  for host in known:
    client = TestClient(app)
    assert client.get('/healthz', headers={'Host': host}).is_success, host
  for host in ('evil.example', 'localhost.evil.example:8000', '', '[::2]:80'):
    response = TestClient(app).get('/healthz', headers={'Host': host})
    _check(response, 421, code='unknown_host')


def test_requests_are_counted_by_route_and_status(client):
  client.get('/no/such/path')
  client.get('/healthz')
  client.post(_COMPLETIONS, json={})
  text = client.get('/metrics').text
  assert 'flan_jax_requests_total{route="completions",status="400"}' in text
  assert 'flan_jax_requests_total{route="other",status="404"}' in text
  assert 'no/such/path' not in text
  assert 'flan_jax_queue_length 0.0' in text
  assert 'flan_jax_request_seconds_bucket{le="0.1",route="healthz"' in text
