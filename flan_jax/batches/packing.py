"""Packing: best-fit decreasing under three capacities, and row assembly."""

from collections.abc import Sequence
import dataclasses
import itertools

import numpy as np

from flan_jax.errors import UserError

# Stacks searched for one example before a new row is opened. Without a limit,
# rows that can hold few more targets would be tried over and over.
_TRIES = 32


class PackingError(UserError):
  """Examples that do not fit; names the setting to change."""


@dataclasses.dataclass(frozen=True)
class Capacity:
  """The capacity of one row.

  Attributes:
    tokens: Number of places for tokens (PACK_LENGTH).
    targets: Number of predicted tokens (TARGET_BUDGET).
    segments: Number of examples.
  """

  tokens: int
  targets: int
  segments: int


def check_fits(longest: int, most_targets: int, capacity: Capacity) -> None:
  """Raises PackingError if the largest example of a set exceeds a row."""
  if longest > capacity.tokens or most_targets > capacity.targets:
    raise PackingError(
      f'an example has {longest} tokens, or {most_targets} target tokens; '
      f'PACK_LENGTH is {capacity.tokens}, TARGET_BUDGET {capacity.targets}: '
      'raise them, or lower TASK_FEATURE_LENGTHS'
    )


def pack(
  lengths: np.ndarray, targets: np.ndarray, capacity: Capacity
) -> list[list[int]]:
  """Packs examples into rows: the longest first, each where it fits best.

  >>> pack(np.array([3, 6, 4, 2, 1]), np.ones(5, int), Capacity(8, 8, 8))
  [[1, 3], [2, 0, 4]]

  Args:
    lengths: Tokens of each example, [n].
    targets: Predicted tokens of each example, [n].
    capacity: Capacity of a row.

  Returns:
    The examples of each row, in order of placement.

  Raises:
    PackingError: An example exceeds a row.
  """
  items, start = pack_rows(lengths, targets, capacity, sizes=lengths)
  bounds = itertools.pairwise(start.tolist())
  return [items[first:last].tolist() for first, last in bounds]


def pack_rows(
  lengths: np.ndarray,
  targets: np.ndarray,
  capacity: Capacity,
  sizes: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
  """Packs examples as `pack` does, the one of the largest size, [n], first.

  Returns:
    The examples row after row, in order of placement, [n]; and the first of
    each row, ending with n, [rows + 1].
  """
  check_fits(lengths.max(initial=0), targets.max(initial=0), capacity)
  order = np.argsort(-sizes, kind='stable')
  lengths, targets = lengths[order], targets[order]
  rows = _Rows(
    capacity,
    least_length=max(1, int(lengths.min(initial=capacity.tokens))),
    least_targets=max(1, int(targets.min(initial=capacity.targets))),
  )
  sizes = zip(lengths.tolist(), targets.tolist(), strict=True)
  row_of = np.fromiter(itertools.starmap(rows.place, sizes), int, len(order))
  start = np.zeros(rows.count + 1, np.int64)
  np.cumsum(np.bincount(row_of, minlength=rows.count), out=start[1:])
  return order[np.argsort(row_of, kind='stable')], start


def sizes_in(
  lengths: np.ndarray, targets: np.ndarray, capacity: Capacity
) -> np.ndarray:
  """Returns sizes for `pack_rows` that fill the rows of a mixture best.

  In order of length alone, short examples with long targets come last, and rows
  of nothing else exhaust TARGET_BUDGET before they are full. The size therefore
  adds a quarter of the example's share of a row's targets to its share of the
  tokens, which fills over 99.6 % on mixtures such as FLAN's.
  """
  length = 4 * capacity.targets * lengths.astype(np.int64)
  return length + capacity.tokens * targets.astype(np.int64)


class _Rows:
  """Rows being filled, found by their number of free places.

  A row that cannot hold `least_length` tokens or `least_targets` is closed.
  """

  def __init__(self, capacity: Capacity, least_length: int, least_targets: int):
    self._capacity = capacity
    self._least_length = least_length
    self._least_targets = least_targets
    self._free_targets: list[int] = []  # One entry per row, as the next two.
    self._free_segments: list[int] = []
    # Rows with equally many free places form a stack: `_top` has its top row,
    # `_below` the row below each row; -1 for none. The bits of `_occupied` mark
    # the stacks with rows. (Lists of rows would start the garbage collector.)
    self._below: list[int] = []
    self._top = [-1] * (capacity.tokens + 1)
    self._occupied = 0

  @property
  def count(self) -> int:
    return len(self._free_targets)

  def place(self, length: int, targets: int) -> int:
    """Places an example in the fullest row that can hold it, and returns it."""
    row, free = self._take(length, targets)
    if row < 0:
      row, free = self.count, self._capacity.tokens
      self._free_targets.append(self._capacity.targets)
      self._free_segments.append(self._capacity.segments)
      self._below.append(-1)
    free -= length
    self._free_targets[row] -= targets
    self._free_segments[row] -= 1
    if (
      free >= self._least_length
      and self._free_targets[row] >= self._least_targets
      and self._free_segments[row]
    ):
      self._below[row] = self._top[free]
      self._top[free] = row
      self._occupied |= 1 << free
    return row

  def _take(self, length: int, targets: int) -> tuple[int, int]:
    """Unstacks the fullest fitting row; returns it (or -1) and its places."""
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


@dataclasses.dataclass(frozen=True)
class Example:
  """A prompt and its continuations.

  Attributes:
    prompt: Tokens that are read, not predicted.
    targets: The continuations; one in training, one per option in scoring.
    common: The last tokens of the prompt that are also predicted: all options
      begin with them.
  """

  prompt: Sequence[int]
  targets: tuple[Sequence[int], ...]
  common: int = 0

  @property
  def length(self) -> int:
    """The number of places; the last token of a target takes none."""
    return len(self.prompt) + sum(len(target) - 1 for target in self.targets)

  @property
  def predicted(self) -> int:
    return self.common + sum(len(target) for target in self.targets)

  def joined(self) -> 'Example':
    """Moves what all targets begin with to the prompt, where it is read once.

    Their last tokens stay.

    >>> Example([5, 6], ([7, 8, 9], [7, 8])).joined()
    Example(prompt=[5, 6, 7], targets=([8, 9], [8]), common=1)
    """
    first, *others = self.targets
    most = min(map(len, self.targets)) - 1
    common = 0
    while common < most and all(
      target[common] == first[common] for target in others
    ):
      common += 1
    if not (common and others):
      return self
    prompt = [*self.prompt, *first[:common]]
    targets = tuple(target[common:] for target in self.targets)
    return Example(prompt, targets, common)


def empty_batch(rows: int, capacity: Capacity) -> dict[str, np.ndarray]:
  """Returns a batch without examples, see `fill_row`."""
  narrow = (rows, capacity.targets)
  wide = ('tokens', 'segments', 'positions', 'branches')
  return {
    **{name: np.zeros((rows, capacity.tokens), np.int32) for name in wide},
    'target_positions': np.zeros(narrow, np.int32),
    'target_labels': np.zeros(narrow, np.int32),
    'target_weights': np.zeros(narrow, np.float32),
  }


def fill_row(
  batch: dict[str, np.ndarray],
  row: int,
  examples: Sequence[Example],
  start: int = 0,
) -> list[list[slice]]:
  """Writes examples into one row of a batch.

  Each target is a branch that sees the prompt and itself. Its positions follow
  those of the prompt, whose last token predicts the first token of the branch.

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
    batch: From `empty_batch`; changed in place.
    row: Index of an empty row.
    examples: Examples that fit.
    start: Position of their first tokens: what precedes all of them has as
      many tokens.

  Returns:
    For each example and target, its slice of the target axis. That of what the
    targets have in common follows, if they do.
  """
  at, slot, places = 0, 0, []
  for segment, example in enumerate(examples, start=1):
    prompt = len(example.prompt)
    end = at + example.length
    batch['segments'][row, at:end] = segment
    batch['tokens'][row, at : at + prompt] = example.prompt
    batch['positions'][row, at : at + prompt] = start + np.arange(prompt)
    last = at + prompt - 1
    at += prompt
    places.append([])
    for branch, target in enumerate(example.targets, start=1):
      count = len(target)
      read = slice(at, at + count - 1)
      batch['tokens'][row, read] = target[:-1]
      batch['branches'][row, read] = branch
      batch['positions'][row, read] = start + prompt + np.arange(count - 1)
      predicted = slice(slot, slot + count)
      sources = [last, *range(read.start, read.stop)]
      batch['target_positions'][row, predicted] = sources
      batch['target_labels'][row, predicted] = target
      batch['target_weights'][row, predicted] = 1
      places[-1].append(predicted)
      at, slot = read.stop, slot + count
    if example.common:
      predicted = slice(slot, slot + example.common)
      sources = np.arange(last - example.common, last)
      batch['target_positions'][row, predicted] = sources
      batch['target_labels'][row, predicted] = example.prompt[-example.common :]
      batch['target_weights'][row, predicted] = 1
      places[-1].append(predicted)
      slot = predicted.stop
  return places


def assemble(
  tokens: np.ndarray,
  lengths: np.ndarray,
  targets: np.ndarray,
  counts: np.ndarray,
  capacity: Capacity,
) -> dict[str, np.ndarray]:
  """Returns a batch of training examples, like `fill_row` for all rows at once.

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
    lengths: Places of each example, one less than its tokens, [examples].
    targets: Target tokens of each example, [examples].
    counts: Examples of each row, [rows].
    capacity: Capacity of a row.
  """
  batch = empty_batch(len(counts), capacity)
  del batch['branches']  # Each example has one target.
  row = np.repeat(np.arange(len(counts)), counts)
  ends = np.cumsum(lengths)  # Places, as if rows had no padding.
  starts = ends - lengths
  # The end of each example in `tokens`; it has one token more than places.
  stops = ends + np.arange(1, len(row) + 1)
  used, predicted = (
    np.bincount(row, values, len(counts)).astype(np.int64)
    for values in (lengths, targets)
  )
  column = starts - (np.cumsum(used) - used)[row]

  places = np.arange(capacity.tokens) < used[:, None]
  read = np.ones(len(tokens), bool)
  read[stops - 1] = False  # Only predicted.
  batch['tokens'][places] = tokens[read]
  segment = np.arange(1, len(row) + 1) - (np.cumsum(counts) - counts)[row]
  batch['segments'][places] = np.repeat(segment, lengths)
  within = np.arange(len(tokens) - len(row)) - np.repeat(starts, lengths)
  batch['positions'][places] = within

  slots = np.arange(capacity.targets) < predicted[:, None]
  # The example of every target token, and its index in the target.
  owner = np.repeat(np.arange(len(row)), targets)
  number = np.arange(len(owner)) - (np.cumsum(targets) - targets)[owner]
  source = number + (column + lengths - targets)[owner]
  batch['target_positions'][slots] = source
  batch['target_labels'][slots] = tokens[number + (stops - targets)[owner]]
  batch['target_weights'][slots] = 1
  return batch
