"""Tells one state of the code from another."""

import hashlib
import pathlib

import jax

from flan_jax import __version__


def code_version() -> str:
  """Returns the versions of this package, with a digest of its code, and JAX.

  A checkout changes while its version stays.
  """
  root = pathlib.Path(__file__).resolve().parents[1]
  seen = hashlib.sha256()
  for path in sorted(root.rglob('*.py')):
    seen.update(path.relative_to(root).as_posix().encode())
    seen.update(path.read_bytes())
  code = seen.hexdigest()[:12]
  return f'flan_jax {__version__} ({code}), jax {jax.__version__}'
