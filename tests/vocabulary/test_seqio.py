"""SeqIO's form of a vocabulary encodes and decodes as the vocabulary does."""

import numpy as np
import tensorflow as tf

from flan_jax.vocabulary.load import load_vocabulary
from flan_jax.vocabulary.seqio import as_seqio

_TEXTS = ('Options:\n- yes\n- no', '', 'naïve 日本語 🦊', ' the <|end|> then\t')


def test_seqio_encodes_and_decodes_the_same(vocabulary):
  seqio_vocabulary = as_seqio(vocabulary)
  expected = [vocabulary.encode(text) for text in _TEXTS]
  together = seqio_vocabulary.encode_tf(tf.constant(_TEXTS))
  assert together.to_list() == expected

  def one_by_one(text):
    ids = seqio_vocabulary.encode_tf(text)
    return ids, seqio_vocabulary.decode_tf(ids)

  dataset = tf.data.Dataset.from_tensor_slices(list(_TEXTS)).map(one_by_one)
  for text, ids, (got, back) in zip(_TEXTS, expected, dataset, strict=True):
    assert got.numpy().tolist() == ids == seqio_vocabulary.encode(text)
    assert back.numpy().decode() == text


def test_seqio_decodes_a_batch_up_to_the_end(vocabulary):
  rows = np.zeros((2, 6), np.int32)
  for row, text in zip(rows, ('xyz', 'ab'), strict=True):
    ids = [*vocabulary.encode(text), vocabulary.eos_id]
    row[: len(ids)] = ids
    row[len(ids) :] = vocabulary.encode('q')[0]
  texts = as_seqio(vocabulary).decode_tf(tf.constant(rows))
  assert texts.numpy().tolist() == [b'xyz', b'ab']


def test_a_vocabulary_has_one_form_per_process(vocabulary):
  mini = load_vocabulary('mini')
  assert as_seqio(mini) is as_seqio(mini)
  assert as_seqio(vocabulary) is as_seqio(vocabulary)
