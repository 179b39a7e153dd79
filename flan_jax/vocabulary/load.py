"""Opens the vocabulary that a setting names."""

import functools
import pathlib

from flan_jax.runtime.local_copies import local_path
from flan_jax.runtime.paths import is_local, user_path
from flan_jax.vocabulary.base import (
  SENTENCEPIECE_MODEL,
  TOKENIZER_JSON,
  Vocabulary,
  VocabularyError,
)
from flan_jax.vocabulary.hugging_face import (
  CONFIGS,
  GENERATION_CONFIG,
  TokenizerVocabulary,
)
from flan_jax.vocabulary.sentence_piece import SentencePieceVocabulary

MINI = 'mini'
_SETTINGS = (*CONFIGS, GENERATION_CONFIG)
_FILES = (TOKENIZER_JSON, SENTENCEPIECE_MODEL, *_SETTINGS)
MINI_MODEL = pathlib.Path(__file__).parent / 'mini_4096.model'


def load_vocabulary(spec: str) -> Vocabulary:
  """Returns the vocabulary that `spec` names.

  Args:
    spec: 'mini', a SentencePiece model, a Hugging Face tokenizer.json, or a
      folder that holds one of them.

  Raises:
    VocabularyError: there is no such file, it is damaged, or it does not define
      an end token.
  """
  path = MINI_MODEL if spec == MINI else _local(spec)
  if path.is_dir():
    json = path / TOKENIZER_JSON
    path = json if json.is_file() else path / SENTENCEPIECE_MODEL
  if not path.is_file():
    raise VocabularyError(
      f'no vocabulary at {spec}: VOCABULARY must be {MINI!r}, a SentencePiece '
      f'.model file, a Hugging Face {TOKENIZER_JSON}, or a folder with one'
    )
  files = [path, *(path.with_name(name) for name in _SETTINGS)]
  stats = [file.stat() for file in files if file.is_file()]
  versions = tuple((x.st_ino, x.st_mtime_ns, x.st_size) for x in stats)
  return _load(spec, path, versions)


@functools.cache
def _load(spec: str, path: pathlib.Path, versions: tuple) -> Vocabulary:
  """Opens a version of the files once, since vocabularies are large."""
  del versions  # Others are another entry of the cache.
  kind = (
    TokenizerVocabulary if path.suffix == '.json' else SentencePieceVocabulary
  )
  vocabulary = kind(path)
  if not is_local(spec):
    vocabulary.origin = spec
  return vocabulary


def _local(spec: str) -> pathlib.Path:
  """Returns a local path with the files of a vocabulary, and no others.

  The folder in a bucket may hold a model too.
  """
  path = user_path(spec)
  if is_local(path) or path.is_dir():
    return local_path(path, _FILES)
  return local_path(path.parent, (path.name, *_FILES)) / path.name
