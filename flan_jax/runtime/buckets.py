"""Whether a bucket can be read, asked before a run does anything."""

from collections.abc import Iterable

from flan_jax.errors import ConfigError
from flan_jax.runtime.paths import BUCKETS, user_path


def check_buckets(paths: Iterable[str]) -> None:
  """Checks that the buckets among some paths exist and can be listed.

  gcsfs would make a bucket that does not exist, with any misspelt name.

  Raises:
    ConfigError: One does not exist, or cannot be read with the credentials of
      this machine.
  """
  # As a dictionary, which keeps the order.
  names = {
    str(user_path(path)).removeprefix(BUCKETS).partition('/')[0]: None
    for path in paths
    if path.startswith(BUCKETS)
  }
  for name in names:
    _check(name)


def _check(name: str) -> None:
  from google.api_core import exceptions
  from google.auth.exceptions import GoogleAuthError
  from google.cloud import storage
  import requests

  try:
    # Listing needs no project, but the client asks for one.
    client = storage.Client(project='none')
    next(iter(client.list_blobs(name, max_results=1, timeout=30)), None)
  except exceptions.NotFound:
    raise ConfigError(
      f'there is no bucket gs://{name}: correct the name, or make it with '
      f'`gcloud storage buckets create gs://{name}`'
    ) from None
  except (
    exceptions.GoogleAPIError,
    GoogleAuthError,
    requests.RequestException,
    ValueError,
  ) as error:
    reason = str(error).partition('\n')[0]
    raise ConfigError(
      f'gs://{name} cannot be read ({reason}): log in with `gcloud auth '
      'application-default login`, or give the service account of this machine '
      'the role roles/storage.objectAdmin on the bucket'
    ) from error
