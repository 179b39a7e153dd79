"""A small vocabulary type that needs neither TensorFlow nor SeqIO."""

from collections.abc import Sequence
import functools
import hashlib
import pathlib
from typing import Any

import sentencepiece

MINI = 'mini'
MINI_MODEL = pathlib.Path(__file__).parent / 'mini_4096.model'

PAD_ID = 0


class Vocabulary:
  """A SentencePiece model with what training and evaluation ask of it.

  Attributes:
    path: The model file.
    size: Number of ids.
    eos_id: Id that ends a target (and, by default, an input).
    bos_id: Id that starts a sequence, or None.
    digest: Hash of the model's bytes, for manifests.
  """

  def __init__(self, path: str | pathlib.Path):
    self.path = str(path)
    if not pathlib.Path(path).is_file():
      raise FileNotFoundError(
        f'no vocabulary at {path}: VOCABULARY is {MINI!r} or the path of a '
        'SentencePiece .model file'
      )
    model = pathlib.Path(path).read_bytes()
    self.digest = hashlib.sha256(model).hexdigest()[:16]
    self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    self.size = self._processor.get_piece_size()
    self.eos_id = self._processor.eos_id()
    if self.eos_id < 0:
      raise ValueError(f'{path} has no end-of-sentence piece')
    bos = self._processor.bos_id()
    self.bos_id = bos if bos >= 0 else None

  def encode(self, text: str) -> list[int]:
    return self._processor.encode(text)

  def decode(self, ids: Sequence[int]) -> str:
    return self._processor.decode([int(i) for i in ids])

  @functools.cached_property
  def _seqio(self) -> Any:
    from flan_jax.data.seqio_vocabulary import SharedTokenizerVocabulary

    return SharedTokenizerVocabulary(self.path)

  def as_seqio(self) -> Any:
    """Returns the same vocabulary as SeqIO's type (imports SeqIO)."""
    return self._seqio


@functools.cache
def load_vocabulary(spec: str) -> Vocabulary:
  """Returns the vocabulary `spec` names: 'mini' or a model file's path.

  Raises:
    FileNotFoundError: no such file.
  """
  return Vocabulary(MINI_MODEL if spec == MINI else spec)
