"""Short hashes of values and files, for manifests and folder names."""

import hashlib
import json
import os
from typing import Any


def digest(value: Any, length: int = 12) -> str:
  """Returns a short hash of a value of plain JSON types."""
  text = json.dumps(value, sort_keys=True, ensure_ascii=False)
  return hashlib.sha256(text.encode()).hexdigest()[:length]


def file_digest(path: str | os.PathLike) -> str:
  """Returns the SHA-256 of a file's bytes."""
  with open(path, 'rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()
