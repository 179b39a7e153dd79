"""The small corpus that is shipped, as a TFDS directory (no TensorFlow)."""

import hashlib
import os
import pathlib

MINI = 'mini'
_FOLDER = pathlib.Path(__file__).resolve().parent.parent / 'mini'


def resolve_data_dir(data_dir: str | None, cache_dir: str) -> str | None:
  """Returns the TFDS directory that DATA_DIR means.

  Args:
    data_dir: A path; None for TFDS's own default; 'mini' for the shipped
      corpus, which is imported below the cache directory.
    cache_dir: Where caches lie.
  """
  if data_dir != MINI:
    return data_dir
  digest = hashlib.sha256()
  for path in sorted(_FOLDER.iterdir()):
    digest.update(path.name.encode() + path.read_bytes())
  name = f'mini_corpus-{digest.hexdigest()[:8]}'
  return os.path.join(os.path.expanduser(cache_dir), name)
