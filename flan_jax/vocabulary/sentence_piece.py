"""A SentencePiece model as a vocabulary."""

from collections.abc import Sequence
import hashlib
import pathlib

import sentencepiece

from flan_jax.vocabulary.base import Vocabulary, VocabularyError


class SentencePieceVocabulary(Vocabulary):
  """A SentencePiece model; its control symbols are the special tokens."""

  def __init__(self, path: pathlib.Path):
    """Reads the model; raises VocabularyError if it has no end token."""
    self.path = str(path)
    model = path.read_bytes()
    self.digest = hashlib.sha256(model).hexdigest()[:16]
    try:
      processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    except RuntimeError as error:
      raise VocabularyError(
        f'{path} is not a SentencePiece model: {error}'
      ) from error
    self._processor = processor
    self.size = processor.get_piece_size()
    self.eos_id = processor.eos_id()
    if self.eos_id < 0:
      raise VocabularyError(
        f'{path} has no end token: train the model with an eos_id'
      )
    bos = processor.bos_id()
    self.bos_id = bos if bos >= 0 else None
    control = filter(processor.is_control, range(self.size))
    self.special = {processor.id_to_piece(i): i for i in control}

  def encode(self, text: str) -> list[int]:
    return self._processor.encode(text)

  def decode(self, ids: Sequence[int]) -> str:
    return self._processor.decode([int(i) for i in ids if i < self.size])
