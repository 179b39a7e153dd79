"""The batches of this project in the form of the others."""

import numpy as np

from benchmarks.data_pipeline import own


def test_labels_are_spread_over_the_positions_of_a_row():
  tokens = np.array([[5, 6, 7, 0]], np.int32)
  batch = {
    'tokens': tokens,
    'segments': np.array([[1, 1, 1, 0]], np.int32),
    'positions': np.array([[0, 1, 2, 0]], np.int32),
    'target_positions': np.array([[1, 2, 0]], np.int32),
    'target_labels': np.array([[7, 8, 0]], np.int32),
    'target_weights': np.array([[1, 1, 0]], np.float32),
  }
  dense = own.dense(batch)
  assert dense['labels'].tolist() == [[0, 7, 8, 0]]
  assert dense['loss_mask'].tolist() == [[0, 1, 1, 0]]
  assert {array.dtype for array in dense.values()} == {np.dtype('int32')}
