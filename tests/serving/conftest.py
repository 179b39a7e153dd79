"""A client of a server in this process, without a socket."""

from collections.abc import Iterator

import pytest

pytest.importorskip('starlette')

from starlette.testclient import TestClient

from flan_jax.serving.app import make_app
from tests.serving import tiny_server


@pytest.fixture(scope='session')
def rows(shared_cache, mini_data):
  return tiny_server.served_rows(shared_cache, mini_data)


@pytest.fixture(scope='package')
def client(rows) -> Iterator[TestClient]:
  app = make_app(tiny_server.engine(), rows)
  with TestClient(app, raise_server_exceptions=False) as client:
    yield client
