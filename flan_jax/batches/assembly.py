"""Row assembly: the arrays of a batch from the tokens of its examples."""

import numpy as np

from flan_jax.batches.packing import Capacity, empty_batch


def assemble(
  tokens: np.ndarray,
  lengths: np.ndarray,
  targets: np.ndarray,
  counts: np.ndarray,
  capacity: Capacity,
) -> dict[str, np.ndarray]:
  """Returns the batch of some training examples.

  It is what `packing.fill_row` makes of them, all rows at once.

  >>> batch = assemble(np.array([5, 6, 1, 7, 1, 8, 1, 9, 1]),
  ...                  lengths=np.array([4, 3]), targets=np.array([2, 2]),
  ...                  counts=np.array([2]), capacity=Capacity(8, 4, 2))
  >>> batch['tokens'].tolist()
  [[5, 6, 1, 7, 8, 1, 9, 0]]
  >>> batch['segments'].tolist()
  [[1, 1, 1, 1, 2, 2, 2, 0]]
  >>> batch['positions'].tolist()
  [[0, 1, 2, 3, 0, 1, 2, 0]]
  >>> batch['target_positions'].tolist()
  [[2, 3, 5, 6]]
  >>> batch['target_labels'].tolist()
  [[7, 1, 9, 1]]

  Args:
    tokens: Prompts and targets of all examples, one after the other.
    lengths: Places that each example takes, one less than its tokens,
      [examples].
    targets: Target tokens of each example, [examples].
    counts: Examples of each row, [rows].
    capacity: Of one row.
  """
  batch = empty_batch(len(counts), capacity)
  del batch['branches']  # One target an example: nothing to tell apart.
  row = np.repeat(np.arange(len(counts)), counts)
  ends = np.cumsum(lengths)  # In places, as if rows had no padding.
  starts = ends - lengths
  # One past an example's tokens; it has one more than its places.
  stops = ends + np.arange(1, len(row) + 1)
  used = _sums(lengths, row, len(counts))
  column = starts - (np.cumsum(used) - used)[row]

  places = np.arange(capacity.tokens) < used[:, None]
  read = np.ones(len(tokens), bool)
  read[stops - 1] = False  # Only ever predicted.
  batch['tokens'][places] = tokens[read]
  segment = np.arange(1, len(row) + 1) - (np.cumsum(counts) - counts)[row]
  batch['segments'][places] = np.repeat(segment, lengths)
  within = np.arange(len(tokens) - len(row)) - np.repeat(starts, lengths)
  batch['positions'][places] = within

  slots = (
    np.arange(capacity.targets) < _sums(targets, row, len(counts))[:, None]
  )
  # The example of every target token, and its number among the example's.
  owner = np.repeat(np.arange(len(row)), targets)
  number = np.arange(len(owner)) - (np.cumsum(targets) - targets)[owner]
  source = number + (column + lengths - targets)[owner]
  batch['target_positions'][slots] = source
  batch['target_labels'][slots] = tokens[number + (stops - targets)[owner]]
  batch['target_weights'][slots] = 1
  return batch


def _sums(values: np.ndarray, row: np.ndarray, rows: int) -> np.ndarray:
  """Returns the sum of the values of each row."""
  return np.bincount(row, values, rows).astype(np.int64)
