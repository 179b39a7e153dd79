"""Opens the vocabulary that a checkpoint was made with."""

from collections.abc import Mapping
import pathlib
import shlex
from typing import Any

from flan_jax.interop.model_source import InteropError
from flan_jax.runtime.paths import user_path
from flan_jax.vocabulary.base import Vocabulary, VocabularyError
from flan_jax.vocabulary.load import MINI, load_vocabulary


def open_vocabulary(
  record: Mapping[str, Any], checkpoint: str, path: str | None = None
) -> Vocabulary:
  """Returns the vocabulary of a checkpoint.

  Args:
    record: The checkpoint's record.
    checkpoint: Its folder.
    path: Where its vocabulary is; None for where the record says.

  Raises:
    InteropError: it is not there, it is another one, or the record does not say
      where it is.
  """
  recorded = record.get('vocabulary')
  try:
    vocabulary = load_vocabulary(path or _recorded_path(recorded, checkpoint))
  except VocabularyError as error:
    raise InteropError(f'{error} (set --vocabulary)') from error
  if recorded is not None and vocabulary.digest != recorded.get('digest'):
    raise InteropError(
      f'{vocabulary.path} is not the vocabulary of the checkpoint: correct '
      '--vocabulary'
    )
  return vocabulary


def _recorded_path(recorded: Any, checkpoint: str) -> str:
  """Returns where the record of a checkpoint says that its vocabulary is.

  A checkpoint may be a stranger's, so its record opens no file outside.

  Raises:
    InteropError: it does not say, or the path is outside of the checkpoint.
  """
  path = recorded.get('path') if isinstance(recorded, dict) else None
  if not isinstance(path, str):
    raise InteropError(
      'the checkpoint does not record its vocabulary: set --vocabulary'
    )
  if recorded.get('digest') == load_vocabulary(MINI).digest:
    return MINI
  folder = pathlib.Path(user_path(checkpoint)).resolve()
  if not pathlib.Path(user_path(path)).resolve().is_relative_to(folder):
    raise InteropError(
      f'{checkpoint} records a vocabulary outside of it: if you trust the '
      f'file, set --vocabulary={shlex.quote(path)}'
    )
  return path
