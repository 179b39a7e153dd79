"""What `train_step` trains: shapes, cases and batches.

Needs only NumPy, because peers run in interpreters of their own.
"""

import dataclasses

import numpy as np

# The one that needs less memory first: the peak of a process only grows.
CASES = ('flan', 'dense')

LEARNING_RATE = 3e-5  # Of every side.

# In the case `flan`, one position of a row in so many is a target.
_TOKENS_PER_TARGET = 6


@dataclasses.dataclass(frozen=True)
class Shape:
  """A decoder and the batch that it is trained on."""

  layers: int  # [N]
  width: int  # Of the residual stream [D].
  heads: int  # Query, key and value heads [H].
  head_width: int  # [h]
  feed_forward: int  # Width of both branches of the gated layer [F].
  vocabulary: int  # Tokens [V].
  rows: int  # Of a batch [B].
  length: int  # Tokens of a row [L].
  examples: int = 8  # Of equal length in a row, in the case `flan`.
  # Of activations and matrix products; parameters are float32.
  dtype: str = 'float32'

  @property
  def tokens(self) -> int:
    """Tokens of a batch."""
    return self.rows * self.length

  def examples_per_row(self, case: str) -> int:
    """Returns how many examples of equal length fill a row."""
    return 1 if case == 'dense' else self.examples

  def targets_per_row(self, case: str) -> int:
    """Returns how many positions of a row are predicted."""
    if case == 'dense':
      return self.length
    example = self.length // self.examples
    return self.examples * max(1, round(example / _TOKENS_PER_TARGET))


SHAPES = {
  'tiny': Shape(2, 64, 2, 32, 128, 512, 2, 64, examples=2),
  'base': Shape(6, 512, 8, 64, 2048, 32_128, 2, 1280),
  # Named by parameters. The layers of the first and the last are those of the
  # models `flan_422m` and `flan_2b`.
  '0.4b': Shape(8, 1280, 20, 128, 10_240, 32_128, 8, 2048, dtype='bfloat16'),
  '1b': Shape(16, 2048, 16, 128, 5632, 32_128, 8, 2048, dtype='bfloat16'),
  '2b': Shape(10, 2560, 40, 128, 20_480, 32_128, 4, 2048, dtype='bfloat16'),
}


def make_batch(shape: Shape, case: str) -> dict[str, np.ndarray]:
  """Returns one batch, the same in every process.

  In the case 'dense', a row is one example and every token a target. In 'flan',
  a row holds several examples, and the last sixth of each is its target.

  Returns:
    int32 [B, L]: `tokens`; `labels`, the token that follows each; `segments`,
    the number of the example from 1; `positions` in the example; `targets`, 1
    where a label counts.
  """
  random = np.random.default_rng(0)
  drawn = random.integers(1, shape.vocabulary, (shape.rows, shape.length + 1))
  examples = shape.examples_per_row(case)
  example = shape.length // examples
  position = np.arange(shape.length) % example
  segment = np.arange(shape.length) // example + 1
  first_target = example - shape.targets_per_row(case) // examples

  def every_row(row):
    return np.tile(row.astype(np.int32), (shape.rows, 1))

  return {
    'tokens': drawn[:, :-1].astype(np.int32),
    'labels': drawn[:, 1:].astype(np.int32),
    'segments': every_row(segment),
    'positions': every_row(position),
    'targets': every_row(position >= first_target),
  }
