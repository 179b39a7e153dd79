"""A small vocabulary type that needs neither TensorFlow nor SeqIO."""

import abc
from collections.abc import Mapping, Sequence
import functools
import hashlib
import pathlib
import re
from typing import Any

import sentencepiece

MINI = 'mini'
MINI_MODEL = pathlib.Path(__file__).parent / 'mini_4096.model'

PAD_ID = 0

# The files by which a folder is known to hold a vocabulary, the first first.
TOKENIZER_JSON, SENTENCEPIECE_MODEL = 'tokenizer.json', 'tokenizer.model'


class Vocabulary(abc.ABC):
  """What training and evaluation ask of a tokenizer.

  Attributes:
    path: The file it was read from.
    size: One more than the largest id.
    eos_id: Id that ends a target (and, by default, an input).
    bos_id: Id that starts a sequence, or None.
    special: Ids of the tokens that no text yields, by name.
    digest: Hash of all that decides the ids, for manifests.
  """

  path: str
  size: int
  eos_id: int
  bos_id: int | None
  special: Mapping[str, int]
  digest: str

  @abc.abstractmethod
  def encode(self, text: str) -> list[int]:
    """Returns the ids of a text, in which a special token's name is text."""

  @abc.abstractmethod
  def decode(self, ids: Sequence[int]) -> str:
    """Returns the text of ids.

    Special tokens have none, nor have ids beyond the vocabulary, which a
    padded embedding can yield.
    """

  @abc.abstractmethod
  def as_seqio(self) -> Any:
    """Returns the same vocabulary as SeqIO's type (imports SeqIO)."""

  def record(self) -> dict[str, Any]:
    """Returns what checkpoints say of the vocabulary, and can be found by."""
    path = str(pathlib.Path(self.path).absolute())
    return {'path': path, 'digest': self.digest, 'size': self.size}

  def encode_markup(self, text: str) -> list[int]:
    """Returns the ids of a text in which names of special tokens mean them."""
    if not self.special:
      return self.encode(text)
    # The longest name first: one may begin with another.
    names = sorted(self.special, key=len, reverse=True)
    ids: list[int] = []
    for part in re.split(f'({"|".join(map(re.escape, names))})', text):
      if part in self.special:
        ids.append(self.special[part])
      elif part:
        ids += self.encode(part)
    return ids


class SentencePieceVocabulary(Vocabulary):
  """A SentencePiece model."""

  def __init__(self, path: str | pathlib.Path):
    self.path = str(path)
    model = pathlib.Path(path).read_bytes()
    self.digest = hashlib.sha256(model).hexdigest()[:16]
    self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    self.size = self._processor.get_piece_size()
    self.eos_id = self._processor.eos_id()
    if self.eos_id < 0:
      raise ValueError(f'{path} has no end-of-sentence piece')
    bos = self._processor.bos_id()
    self.bos_id = bos if bos >= 0 else None
    self.special = {
      self._processor.id_to_piece(i): i
      for i in range(self.size)
      if self._processor.is_control(i)
    }

  def encode(self, text: str) -> list[int]:
    return self._processor.encode(text)

  def decode(self, ids: Sequence[int]) -> str:
    return self._processor.decode([int(i) for i in ids if i < self.size])

  @functools.cached_property
  def _seqio(self) -> Any:
    from flan_jax.vocabulary.seqio import SharedTokenizerVocabulary

    return SharedTokenizerVocabulary(self.path)

  def as_seqio(self) -> Any:
    return self._seqio


@functools.cache
def load_vocabulary(spec: str) -> Vocabulary:
  """Returns the vocabulary `spec` names.

  Args:
    spec: 'mini', a SentencePiece model, a Hugging Face tokenizer.json, or a
      folder that holds one of them.

  Raises:
    FileNotFoundError: no such file.
    ValueError: it has no end token, or does not say which one it is.
  """
  path = MINI_MODEL if spec == MINI else pathlib.Path(spec)
  if path.is_dir():
    path = _vocabulary_file(path)
  if not path.is_file():
    raise FileNotFoundError(
      f'no vocabulary at {spec}: VOCABULARY is {MINI!r}, a SentencePiece '
      f'.model file, a Hugging Face {TOKENIZER_JSON}, or a folder with one'
    )
  if path.suffix == '.json':
    from flan_jax.vocabulary.hugging_face import TokenizerVocabulary

    return TokenizerVocabulary(path)
  return SentencePieceVocabulary(path)


def _vocabulary_file(folder: pathlib.Path) -> pathlib.Path:
  if (folder / TOKENIZER_JSON).is_file():
    return folder / TOKENIZER_JSON
  return folder / SENTENCEPIECE_MODEL
