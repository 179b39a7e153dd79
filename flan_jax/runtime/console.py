"""Text on standard output alone, or in a file instead."""

from collections.abc import Callable, Iterator
import contextlib
import os
import sys

from flan_jax.errors import ConfigError
from flan_jax.runtime.paths import is_local, user_path, write_whole


@contextlib.contextmanager
def text_output(path: str | None) -> Iterator[Callable[[str], None]]:
  """Yields a function that writes text to a file, or to standard output.

  Everything else that is printed to standard output meanwhile, by child
  processes too, goes to standard error.

  Raises:
    ConfigError: The file cannot be written.
  """
  if path is not None:
    file = user_path(path)
    if file.is_dir() or (
      is_local(path) and not os.access(file.parent, os.W_OK)
    ):
      raise ConfigError(
        f'OUTPUT {path} cannot be written: it is a folder, or its folder is '
        'missing or read-only'
      )
    yield lambda text: write_whole(file, text)
    return
  sys.stdout.flush()
  kept = os.dup(1)
  os.dup2(2, 1)
  try:
    with open(kept, 'w', encoding='utf-8', closefd=False) as file:
      yield file.write
  finally:
    sys.stdout.flush()
    os.dup2(kept, 1)
    os.close(kept)
