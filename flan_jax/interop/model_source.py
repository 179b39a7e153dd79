"""The interface of a model to be imported."""

from collections.abc import Mapping
import pathlib
from typing import Any, Protocol

import numpy as np

from flan_jax.errors import UserError

Index = tuple[slice, ...]


class InteropError(UserError):
  """A model that cannot be imported or exported."""


class Source(Protocol):
  """A model on disk, in the terms of Hugging Face whatever its format.

  Attributes:
    path: The folder or file.
    config: The contents of config.json, or their equivalent.
    shapes: Shape of each tensor, by its name in a Hugging Face folder.
  """

  path: pathlib.Path
  config: Mapping[str, Any]
  shapes: Mapping[str, tuple[int, ...]]

  def read(self, name: str, index: Index) -> np.ndarray:
    """Reads part of a tensor; holds no more than its rows in memory.

    Args:
      name: A key of `shapes`.
      index: One slice per dimension, without steps.

    Returns:
      The values in the stored type, or in float32 if that is quantized.
    """

  def write_tokenizer(self, folder: pathlib.Path) -> None:
    """Writes the tokenizer for `load_vocabulary` and `transformers`.

    Raises:
      InteropError: there is no tokenizer, or none that can be read.
    """
