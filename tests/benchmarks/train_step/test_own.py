"""What this project's training step reads."""

import numpy as np

from benchmarks.train_step import own
from benchmarks.train_step.shapes import SHAPES, make_batch


def test_gathered_targets_are_those_of_the_mask():
  batch = make_batch(SHAPES['tiny'], 'flan')
  gathered = own.gather_targets(batch)
  mask = np.zeros_like(batch['targets'])
  np.put_along_axis(mask, gathered['target_positions'], 1, axis=1)
  np.testing.assert_array_equal(mask, batch['targets'])
  np.testing.assert_array_equal(
    gathered['target_labels'].ravel(), batch['labels'][mask == 1]
  )
