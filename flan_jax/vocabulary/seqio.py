"""Vocabularies as SeqIO's type (imports TensorFlow)."""

from collections.abc import Sequence
import functools
import itertools
import math
from typing import Any

import numpy as np
import seqio
import tensorflow as tf

from flan_jax.vocabulary.base import Vocabulary
from flan_jax.vocabulary.hugging_face import TokenizerVocabulary


@functools.cache
def as_seqio(vocabulary: Vocabulary) -> seqio.Vocabulary:
  """Returns a vocabulary as SeqIO's type, the same object every time."""
  if isinstance(vocabulary, TokenizerVocabulary):
    return BatchTokenizerVocabulary(vocabulary)
  return SharedTokenizerVocabulary(vocabulary.path)


def encode_batch(
  vocabulary: Vocabulary, texts: Sequence[str]
) -> list[np.ndarray]:
  """Returns the ids, int32, that a SeqIO task gives each text.

  SentencePiece in TensorFlow and in Python may cut a text differently where two
  ways are equally probable.
  """
  if not texts:
    return []
  if isinstance(vocabulary, TokenizerVocabulary):
    encoded = vocabulary.encode_batch(texts)
    return [np.asarray(ids, np.int32) for ids in encoded]
  ids = as_seqio(vocabulary).tf_tokenizer.tokenize(tf.constant(texts))
  return np.split(ids.values.numpy(), ids.row_splits.numpy()[1:-1])


class SharedTokenizerVocabulary(seqio.SentencePieceVocabulary):
  """SeqIO's SentencePiece vocabulary with one tokenizer per process.

  SeqIO itself makes a tokenizer, and so loads the model, in every function
  that is traced.
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


class BatchTokenizerVocabulary(seqio.Vocabulary):
  """A Hugging Face tokenizer for SeqIO and tf.data.

  A graph calls back into Python once for all strings that it encodes together.
  The tokenizer releases Python's lock while it works, so that the calls of a
  parallel map run at the same time.
  """

  def __init__(self, vocabulary: TokenizerVocabulary):
    super().__init__()
    self._vocabulary = vocabulary

  @property
  def bos_id(self) -> int | None:
    return self._vocabulary.bos_id

  @property
  def eos_id(self) -> int:
    return self._vocabulary.eos_id

  @property
  def unk_id(self) -> None:
    return None

  @property
  def _base_vocab_size(self) -> int:
    return self._vocabulary.size

  def _encode(self, s: str) -> list[int]:
    return self._vocabulary.encode(s)

  def _decode(self, ids: Sequence[int]) -> str:
    return self._vocabulary.decode(ids)

  def _encode_tf(self, s: tf.Tensor) -> tf.Tensor:
    """Encodes a string to ids, or strings [n] to ragged ids [n, (length)]."""
    s = tf.convert_to_tensor(s)
    ids, lengths = tf.numpy_function(
      self._encode_strings, [tf.reshape(s, [-1])], (tf.int32, tf.int64)
    )
    ids = tf.ensure_shape(ids, [None])
    if s.shape.rank == 0:
      return ids
    return tf.RaggedTensor.from_row_lengths(
      ids, tf.ensure_shape(lengths, [None])
    )

  def _encode_strings(self, texts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    texts = [text.decode('utf-8', 'replace') for text in texts]
    encoded = self._vocabulary.encode_batch(texts)
    lengths = np.array([len(ids) for ids in encoded], np.int64)
    flat = itertools.chain.from_iterable(encoded)
    return np.fromiter(flat, np.int32, int(lengths.sum())), lengths

  def _decode_tf(self, ids: tf.Tensor) -> tf.Tensor:
    """Decodes ids to a string, or a batch of them [n, length] to strings."""
    ids = tf.convert_to_tensor(ids)
    text = tf.numpy_function(self._decode_ids, [ids], tf.string)
    return tf.ensure_shape(text, ids.shape[:-1])

  def _decode_ids(self, ids: np.ndarray) -> np.ndarray:
    rows = ids.reshape(math.prod(ids.shape[:-1]), ids.shape[-1])
    texts = [self._vocabulary.decode(row.tolist()).encode() for row in rows]
    return np.array(texts, object).reshape(ids.shape[:-1])

  def __eq__(self, other: object) -> bool:
    if not isinstance(other, BatchTokenizerVocabulary):
      return False
    return self._vocabulary.digest == other._vocabulary.digest

  def __hash__(self) -> int:
    return hash(self._vocabulary.digest)
