"""The small corpus that ships with the package, as a TFDS directory."""

from collections.abc import Callable
import hashlib
import os
import pathlib
import tempfile

from flan_jax.runtime.local_copies import copies_folder
from flan_jax.runtime.paths import is_local, user_path
from flan_jax.runtime.tensorflow_start import start_tensorflow
from flan_jax.sources.tfds_import import import_rows, mini_corpus

MINI = 'mini'


def resolve_data_dir(data_dir: str | None, cache_dir: str) -> str | None:
  """Returns the TFDS directory that DATA_DIR means.

  Args:
    data_dir: A path; None for TFDS's own default; 'mini' for the shipped
      corpus, which is imported below the cache directory, or on local disk if
      that is in a bucket.
    cache_dir: The cache directory.
  """
  if data_dir != MINI:
    return data_dir
  digest = hashlib.sha256()
  for path in sorted(mini_corpus().iterdir()):
    digest.update(path.name.encode() + path.read_bytes())
  # TensorFlow reads buckets in its own way, with credentials of its own.
  parent = user_path(cache_dir) if is_local(cache_dir) else copies_folder()
  return f'{parent}/mini_corpus-{digest.hexdigest()[:8]}'


def open_data_dir(
  data_dir: str | None, cache_dir: str, log: Callable[[str], None] = print
) -> str | None:
  """Like `resolve_data_dir`, but imports the mini corpus on first use."""
  found = resolve_data_dir(data_dir, cache_dir)
  if data_dir != MINI or user_path(found).exists():
    return found
  start_tensorflow()
  parent = pathlib.Path(found).parent
  parent.mkdir(parents=True, exist_ok=True)
  # Renamed when complete, so that an interrupted import is not mistaken for it.
  with tempfile.TemporaryDirectory(prefix='.importing_', dir=parent) as folder:
    imported = os.path.join(folder, 'tfds')
    import_rows(mini_corpus(), imported, log=lambda line: None)
    os.rename(imported, found)
  log(f'imported the mini corpus to {found}')
  return found
