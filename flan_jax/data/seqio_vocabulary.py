"""The vocabulary in SeqIO's form (imports TensorFlow)."""

from typing import Any

import seqio
import tensorflow as tf


class SharedTokenizerVocabulary(seqio.SentencePieceVocabulary):
  """SeqIO's SentencePiece vocabulary with one tokenizer a process.

  SeqIO makes a tokenizer, and so loads the model, in every function that is
  traced; a cache traces a few for every unit.
  """

  _tf_tokenizer: Any = None

  @property
  def tf_tokenizer(self) -> Any:
    """The TensorFlow tokenizer, made on first use, outside of any graph."""
    if self._tf_tokenizer is None:
      with tf.init_scope():
        self._tf_tokenizer = super().tf_tokenizer
    return self._tf_tokenizer

  def __getstate__(self):
    # A resource is neither copied nor compared.
    state = super().__getstate__()
    state.pop('_tf_tokenizer', None)
    return state
