"""`flan-jax serve`: what it refuses to start with, and how it ends."""

import json
import re
import signal
import socket
import threading
import urllib.error
import urllib.request

import jax
import pytest

from flan_jax.model import DecoderConfig, init_params
from flan_jax.sharding import MeshConfig, make_mesh
from flan_jax.training.checkpoint import Checkpointer
from flan_jax.vocabulary.load import load_vocabulary
from tests.command_line import LENGTHS, SMALL

pytest.importorskip('uvicorn')

_MODEL = DecoderConfig(
  vocab_size=4096,
  num_layers=2,
  d_model=64,
  d_ff=256,
  num_heads=4,
  num_kv_heads=4,
  head_dim=16,
  position='relative_bias',
  activation='gelu',
)


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory) -> str:
  folder = tmp_path_factory.mktemp('served') / 'mine'
  mesh = make_mesh(MeshConfig(), jax.devices()[:1])
  record = {'vocabulary': load_vocabulary('mini').record()}
  Checkpointer.save_params(folder, init_params(_MODEL, 0, mesh), record)
  return str(folder)


def _flags(*more):
  return ['serve', *SMALL, '--gin_file=runs/serve.gin', LENGTHS, *more]


def test_a_dry_run_names_what_would_be_served(cli, checkpoint):
  out = cli.check(*_flags(f'--checkpoint={checkpoint}', '--dry_run'))
  assert 'would serve mine on 127.0.0.1:8000' in out


def test_mistakes_are_found_before_the_model_is_loaded(cli, checkpoint):
  def error(*more):
    code, _, message = cli(*_flags(*more))
    assert code == 2 and len(message.splitlines()) == 1
    return message

  assert '--checkpoint=PATH' in error()
  assert 'nothing/here' in error('--checkpoint=nothing/here')
  twice = [f'--checkpoint={checkpoint}', f'--checkpoint={checkpoint}/']
  assert 'must differ in the last part' in error(*twice)
  mine = f'--checkpoint={checkpoint}'
  assert 'cannot listen on no.such.host' in error(mine, '--host=no.such.host')
  assert '99999' in error(mine, '--port=99999')
  assert 'must be a number above 0' in error(mine, '--gin.Limits.seconds=-1')
  with socket.create_server(('127.0.0.1', 0)) as taken:
    port = taken.getsockname()[1]
    assert 'cannot listen' in error(mine, f'--port={port}')


@pytest.mark.slow
def test_sigterm_finishes_what_runs_and_refuses_the_rest(cli, checkpoint):
  server = cli.start(
    *_flags(f'--checkpoint={checkpoint}', '--port=0'), PYTHONUNBUFFERED='1'
  )
  try:
    line = server.stdout.readline()
    address = re.search(r'http://127.0.0.1:\d+', line)[0]
    # Long enough that it is still being answered when the signal comes.
    body = {'prompt': 'A horse', 'max_tokens': 120, 'stream': True}
    request = urllib.request.Request(
      f'{address}/v1/completions',
      json.dumps(body).encode(),
      {'Content-Type': 'application/json'},
    )
    with urllib.request.urlopen(request) as response:
      first = response.readline()
      server.send_signal(signal.SIGTERM)
      rest = response.read()
    assert first.startswith(b'data: ') and rest.endswith(b'data: [DONE]\n\n')
    with pytest.raises(urllib.error.URLError):
      urllib.request.urlopen(f'{address}/healthz', timeout=10)
    timer = threading.Timer(60, server.kill)
    timer.start()
    _, error = server.communicate()
    timer.cancel()
    assert server.returncode == 0, error
    assert 'Traceback' not in error
  finally:
    server.kill()
    server.communicate()
