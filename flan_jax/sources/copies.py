"""The rows of sources on disk: prepared copies of TFDS datasets, and files."""

import glob
import os
import pathlib

from flan_jax.definitions.digests import digest, file_digest
from flan_jax.sources.data_dir import data_root
from flan_jax.sources.table_files import files_digest, find_files, is_table

# The files of a TFDS folder that tell one copy of a dataset from another.
_COPY_FILES = ('dataset_info.json', 'features.json', 'flan_jax_import.json')


def find_copy(source: str, data_dir: str | None) -> pathlib.Path | None:
  """Returns the folder of a prepared TFDS dataset, None if there is none.

  Args:
    source: TFDS name with version.
    data_dir: TFDS data directory; None for TFDS's default.
  """
  name, _, version = source.partition(':')
  root = data_root(data_dir)
  # A dataset named without its config is in the folder of the default one.
  nested = glob.glob(os.path.join(glob.escape(root), name, '*', version))
  for folder in (root / name / version, *map(pathlib.Path, sorted(nested))):
    if (folder / _COPY_FILES[0]).is_file():
      return pathlib.Path(folder)
  return None


def copy_digest(source: str, data_dir: str | None) -> str | None:
  """Returns the digest of the rows of a source.

  None if there are none, as on a light worker, which has only the cache.
  """
  if is_table(source):
    files = find_files(source, data_dir)
    return None if files is None else files_digest(files)[:8]
  folder = find_copy(source, data_dir)
  if folder is None:
    return None
  present = [name for name in _COPY_FILES if (folder / name).is_file()]
  return digest({name: file_digest(folder / name) for name in present}, 8)
