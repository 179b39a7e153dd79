"""Packing: best-fit decreasing under three capacities, and row assembly."""

import array
from collections.abc import Sequence
import dataclasses
import itertools

import numpy as np

from flan_jax.errors import UserError

# Buckets looked into for one example before a new row is opened. Rows whose
# targets are nearly spent would otherwise be tried over and over.
_TRIES = 32


class PackingError(UserError):
  """Examples that do not fit; names the setting that makes room."""


@dataclasses.dataclass(frozen=True)
class Capacity:
  """What one row holds at most.

  Attributes:
    tokens: Places for tokens (PACK_LENGTH).
    targets: Predicted tokens (TARGET_BUDGET).
    segments: Examples.
  """

  tokens: int
  targets: int
  segments: int


def pack(
  lengths: np.ndarray,
  targets: np.ndarray,
  capacity: Capacity,
) -> list[list[int]]:
  """Packs examples into rows, the longest first, each where it fits best.

  >>> pack(np.array([3, 6, 4, 2, 1]), np.ones(5, int), Capacity(8, 8, 8))
  [[1, 3], [2, 0, 4]]

  Args:
    lengths: Tokens of each example, [n].
    targets: Predicted tokens of each example, [n].
    capacity: Of one row.

  Returns:
    The examples of each row, in order of placement.

  Raises:
    PackingError: an example exceeds a row.
  """
  packer = Packer(lengths, targets, capacity)
  packer.place(len(lengths))
  items, start = packer.rows()
  bounds = itertools.pairwise(start.tolist())
  return [items[first:last].tolist() for first, last in bounds]


class Packer:
  """Does the work of `pack` in as many bites as its caller likes."""

  def __init__(
    self, lengths: np.ndarray, targets: np.ndarray, capacity: Capacity
  ):
    """Puts the examples in order; arguments and errors are those of `pack`."""
    _check_each_fits(lengths, targets, capacity)
    self._order = _stable_order(capacity.tokens - lengths, capacity.tokens)
    self._todo = zip(
      lengths[self._order].tolist(), targets[self._order].tolist(), strict=True
    )
    self._capacity = capacity
    # A row with less room than any example needs is closed.
    self._least_length = max(1, int(lengths.min(initial=capacity.tokens)))
    self._least_targets = max(1, int(targets.min(initial=capacity.targets)))
    self._row_of = array.array('i')  # Of every example placed, in that order.
    self._free_targets: list[int] = []  # Of every row, as the next two.
    self._free_segments: list[int] = []
    # Open rows are stacked by free places: the row on top, and the row below
    # each; -1 for none. A bit says which stacks hold any. (Lists of rows would
    # set the garbage collector off, which stops all threads.)
    self._below: list[int] = []
    self._top = [-1] * (capacity.tokens + 1)
    self._occupied = 0

  def place(self, count: int) -> None:
    """Places the next `count` examples, or all that are left."""
    free_targets, free_segments = self._free_targets, self._free_segments
    for length, targets in itertools.islice(self._todo, count):
      row, free = self._find(length, targets)
      if row < 0:
        row, free = len(free_targets), self._capacity.tokens
        free_targets.append(self._capacity.targets)
        free_segments.append(self._capacity.segments)
        self._below.append(-1)
      self._row_of.append(row)
      free -= length
      free_targets[row] -= targets
      free_segments[row] -= 1
      if (
        free >= self._least_length
        and free_targets[row] >= self._least_targets
        and free_segments[row]
      ):
        self._below[row] = self._top[free]
        self._top[free] = row
        self._occupied |= 1 << free

  def _find(self, length: int, targets: int) -> tuple[int, int]:
    """Takes the fullest row that holds the example, and its free places.

    Returns a negative row where none of those tried does.
    """
    occupied = self._occupied >> length
    free, tries = length, _TRIES
    while occupied and tries:
      step = (occupied & -occupied).bit_length() - 1
      free += step
      above, row = -1, self._top[free]
      while row >= 0 and self._free_targets[row] < targets:
        above, row = row, self._below[row]
      if row >= 0:
        self._unstack(row, above, free)
        return row, free
      occupied >>= step + 1
      free += 1
      tries -= 1
    return -1, 0

  def _unstack(self, row: int, above: int, free: int) -> None:
    if above >= 0:
      self._below[above] = self._below[row]
      return
    self._top[free] = self._below[row]
    if self._top[free] < 0:
      self._occupied ^= 1 << free

  def rows(self) -> tuple[np.ndarray, np.ndarray]:
    """Returns what was placed so far.

    Returns:
      The examples row after row, those of a row in order of placement, [n],
      and where each row starts, ending with n, [rows + 1].
    """
    row_of = np.array(self._row_of)
    rows = len(self._free_targets)
    start = np.zeros(rows + 1, np.int64)
    np.cumsum(np.bincount(row_of, minlength=rows), out=start[1:])
    return self._order[_stable_order(row_of, rows)], start


def _stable_order(values: np.ndarray, most: int) -> np.ndarray:
  """Sorts stably what is at most `most`, by radix where two bytes hold it."""
  return np.argsort(values.astype(np.min_scalar_type(most)), kind='stable')


def _check_each_fits(lengths, targets, capacity) -> None:
  for values, limit, name in (
    (lengths, capacity.tokens, 'PACK_LENGTH'),
    (targets, capacity.targets, 'TARGET_BUDGET'),
  ):
    if values.size and values.max() > limit:
      raise PackingError(
        f'an example of {values.max()} {"target " * (name[0] == "T")}tokens '
        f'exceeds {name} {limit}: raise it, or lower TASK_FEATURE_LENGTHS'
      )


@dataclasses.dataclass(frozen=True)
class Example:
  """One sequence to predict parts of.

  Attributes:
    prompt: Tokens that are read only.
    targets: The continuations; one in training, one an option in scoring.
  """

  prompt: Sequence[int]
  targets: tuple[Sequence[int], ...]

  @property
  def length(self) -> int:
    """Places it takes: the last token of a target is only predicted."""
    return len(self.prompt) + sum(len(target) - 1 for target in self.targets)

  @property
  def predicted(self) -> int:
    return sum(len(target) for target in self.targets)


def empty_batch(rows: int, capacity: Capacity) -> dict[str, np.ndarray]:
  """Returns a batch without examples, see `fill_row`."""
  wide = (rows, capacity.tokens)
  narrow = (rows, capacity.targets)
  return {
    'tokens': np.zeros(wide, np.int32),
    'segments': np.zeros(wide, np.int32),
    'positions': np.zeros(wide, np.int32),
    'branches': np.zeros(wide, np.int32),
    'target_positions': np.zeros(narrow, np.int32),
    'target_labels': np.zeros(narrow, np.int32),
    'target_weights': np.zeros(narrow, np.float32),
  }


def fill_row(
  batch: dict[str, np.ndarray], row: int, examples: Sequence[Example]
) -> list[list[slice]]:
  """Writes examples into one row of a batch.

  An example is a prompt and its targets, each target a branch that sees the
  prompt and itself; positions restart at the prompt's end for every branch.
  The prompt's last token predicts the first token of every branch.

  >>> batch = empty_batch(1, Capacity(8, 4, 2))
  >>> fill_row(batch, 0, [Example([5, 6, 1], ([7, 1],)),
  ...                     Example([8, 1], ([9, 1],))])
  [[slice(0, 2, None)], [slice(2, 4, None)]]
  >>> batch['tokens'][0].tolist()
  [5, 6, 1, 7, 8, 1, 9, 0]
  >>> batch['segments'][0].tolist()
  [1, 1, 1, 1, 2, 2, 2, 0]
  >>> batch['positions'][0].tolist()
  [0, 1, 2, 3, 0, 1, 2, 0]
  >>> batch['target_positions'][0].tolist()
  [2, 3, 5, 6]
  >>> batch['target_labels'][0].tolist()
  [7, 1, 9, 1]

  Args:
    batch: From `empty_batch`, changed in place.
    row: Which row of it, empty so far.
    examples: What to write; must fit.

  Returns:
    For every example and target, its places along the target axis.
  """
  at, slot, places = 0, 0, []
  for segment, example in enumerate(examples, start=1):
    prompt = len(example.prompt)
    end = at + example.length
    batch['segments'][row, at:end] = segment
    batch['tokens'][row, at : at + prompt] = example.prompt
    batch['positions'][row, at : at + prompt] = np.arange(prompt)
    last = at + prompt - 1
    at += prompt
    places.append([])
    for branch, target in enumerate(example.targets, start=1):
      count = len(target)
      read = slice(at, at + count - 1)
      batch['tokens'][row, read] = target[:-1]
      batch['branches'][row, read] = branch
      batch['positions'][row, read] = np.arange(prompt, prompt + count - 1)
      predicted = slice(slot, slot + count)
      batch['target_positions'][row, predicted] = [
        last,
        *range(read.start, read.stop),
      ]
      batch['target_labels'][row, predicted] = target
      batch['target_weights'][row, predicted] = 1
      places[-1].append(predicted)
      at, slot = read.stop, slot + count
  return places
