"""The TFDS data directory."""

import os
import pathlib

from flan_jax.runtime.paths import user_path


def data_root(data_dir: str | None) -> pathlib.Path:
  """Returns the TFDS data directory; where TFDS looks if None is given."""
  default = os.path.join('~', 'tensorflow_datasets')
  return user_path(data_dir or os.environ.get('TFDS_DATA_DIR', default))
