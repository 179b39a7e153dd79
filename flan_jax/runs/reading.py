"""What the commands that look at rows share."""

import argparse
from collections.abc import Callable, Iterator
import contextlib
import os
import pathlib
import sys
import tempfile
import textwrap
from typing import NoReturn

from flan_jax.errors import ConfigError
from flan_jax.sources.mini import MINI, resolve_data_dir

_WIDTH = 80


class FlagParser(argparse.ArgumentParser):
  """Parses plain flags; a mistake raises ConfigError, which is one line."""

  def __init__(self, prog: str, description: str):
    """Initializes the parser with the flags that every command has."""
    super().__init__(prog=prog, description=description, allow_abbrev=False)
    self.add_argument(
      '--data_dir', help="TFDS data directory; TFDS's own if not given"
    )
    self.add_argument(
      '--task_module',
      action='append',
      default=[],
      help='a module that registers your datasets',
    )

  def error(self, message: str) -> NoReturn:
    raise ConfigError(f'{message}; see {self.prog} --help')


@contextlib.contextmanager
def quiet_start() -> Iterator[None]:
  """Drops the notices with which TensorFlow starts; import it in here.

  Its libraries write them straight to the standard error stream, whatever the
  log level. Python's own errors are not dropped: they are raised.
  """
  # TensorFlow reads rows here; the devices are the trainer's.
  os.environ['CUDA_VISIBLE_DEVICES'] = '-1'
  sys.stderr.flush()
  kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
  os.dup2(null, 2)
  try:
    yield
  finally:
    os.dup2(kept, 2)
    os.close(kept)
    os.close(null)


def start_tensorflow() -> None:
  """Imports TensorFlow and TFDS, without their notices."""
  with quiet_start():
    import tensorflow as tf
    import tensorflow_datasets  # noqa: F401

    tf.constant(0)  # Looks for devices, and says what it did not find.


def open_data_dir(
  data_dir: str | None, cache_dir: str, log: Callable[[str], None] = print
) -> str | None:
  """Returns the TFDS directory of DATA_DIR, importing 'mini' on first use.

  Args:
    data_dir: A path; None for TFDS's own default; 'mini' for the shipped
      corpus, which is imported below the cache directory.
    cache_dir: Where caches lie.
    log: Called with one line where the corpus was imported.
  """
  found = resolve_data_dir(data_dir, cache_dir)
  if data_dir != MINI or pathlib.Path(found).exists():
    return found
  start_tensorflow()
  from flan_jax.sources.tfds_import import import_rows, mini_corpus

  parent = pathlib.Path(found).parent
  parent.mkdir(parents=True, exist_ok=True)
  # Beside its place: an import that stops half-way is not taken for a whole.
  with tempfile.TemporaryDirectory(prefix='.importing_', dir=parent) as folder:
    imported = os.path.join(folder, 'tfds')
    import_rows(mini_corpus(), imported, log=lambda line: None)
    os.rename(imported, found)
  log(f'imported the mini corpus to {found}')
  return found


def wrapped(text: str, indent: str = '') -> list[str]:
  """Returns the lines of a paragraph; addresses and names stay whole."""
  return textwrap.wrap(
    text,
    _WIDTH,
    initial_indent=indent,
    subsequent_indent=indent,
    break_long_words=False,
    break_on_hyphens=False,
  )
