"""Windows: which example stands where, planned before it is needed."""

from collections.abc import Iterator
import dataclasses
import math
import threading

import numpy as np

from flan_jax.batches.packing import Capacity, Packer, PackingError
from flan_jax.batches.sampler import Draws, Sampler
from flan_jax.rendering.permutation import key_of, permute

# Examples packed at a time. A window is planned in bites of well under a
# millisecond, so that no batch waits for a whole one.
_BITE = 64
_UNITS_A_BITE = 8
# Windows whose plans are held: the one that is read, and the next.
_HELD = 2
# Parts of a window that are packed by themselves, to see how rows vary, and the
# standard deviations that rows are kept for.
_STRIPES = 32
_DEVIATIONS = 5


@dataclasses.dataclass(frozen=True)
class WindowPlan:
  """The examples of a window's rows, rows in the order of steps.

  Attributes:
    draws: The examples, row after row.
    row_start: First example of each row, int64 [rows + 1].
  """

  draws: Draws
  row_start: np.ndarray

  def read(self, rows: np.ndarray) -> tuple[Draws, np.ndarray]:
    """Returns the examples of some rows, and how many each row has."""
    first, last = self.row_start[rows], self.row_start[rows + 1]
    spans = zip(first.tolist(), last.tolist(), strict=True)
    places = [np.arange(start, stop) for start, stop in spans]
    return self.draws.take(np.concatenate(places)), last - first


@dataclasses.dataclass(frozen=True)
class PackedWindow:
  """A window's examples in the rows that they fill.

  Attributes:
    draws: The examples, in drawing order.
    items: Places in `draws`, row after row.
    start: First of `items` of each row, and their number at the end.
  """

  draws: Draws
  items: np.ndarray
  start: np.ndarray

  @property
  def rows(self) -> int:
    return len(self.start) - 1

  def plan(self, rows: int, key: np.uint64) -> WindowPlan | None:
    """Returns the plan with empty rows and in order; None if rows lack.

    Args:
      rows: Rows of the plan.
      key: Of their order.
    """
    if self.rows > rows:
      return None
    order = permute(np.arange(rows), rows, key)
    start = np.pad(self.start, (0, rows - self.rows), 'edge')
    counts = np.diff(start)[order]
    row_start = np.concatenate([[0], np.cumsum(counts)])
    places = np.arange(len(self.items))
    places += np.repeat(start[order] - row_start[:-1], counts)
    return WindowPlan(self.draws.take(self.items[places]), row_start)


def pack_window(
  sampler: Sampler, capacity: Capacity, window: int = 0
) -> PackedWindow:
  """Packs a window into as many rows as it needs."""
  draws = sampler.draws(window)
  packer = Packer(draws.length, draws.targets, capacity)
  packer.place(len(draws.length))
  return PackedWindow(draws, *packer.rows())


def rows_for_all(first: PackedWindow, capacity: Capacity) -> int:
  """Returns rows that every window fits into, judged by the first one.

  Those that it fills, and five standard deviations of the difference between
  two windows. The rows of a window vary as those of its parts do: it is packed
  once more in 32 stripes, each with its share of every split. Between windows
  they vary less, if anything: in a pass over a split no row comes twice.

  Args:
    first: The first window.
    capacity: Of one row.
  """
  length, targets = first.draws.length, first.draws.targets
  rows = []
  for stripe in range(_STRIPES):
    chosen = slice(stripe, None, _STRIPES)
    packer = Packer(length[chosen], targets[chosen], capacity)
    packer.place(len(length))
    rows.append(len(packer.rows()[1]) - 1)
  # In whole numbers: every process must find the same. One more stands for
  # examples too rare to be among those of the first window.
  squares = _STRIPES * sum(n * n for n in rows) - sum(rows) ** 2
  variance = squares / (_STRIPES - 1) + 1
  return math.ceil(first.rows + _DEVIATIONS * math.sqrt(2 * variance))


class Windows:
  """Plans windows and holds the plans of two.

  May be called from several threads.
  """

  def __init__(
    self,
    sampler: Sampler,
    capacity: Capacity,
    rows: int,
    headroom: float | None,
    first: PackedWindow | None = None,
  ):
    """Initializes it.

    Args:
      sampler: Draws the examples.
      capacity: Of one row.
      rows: Rows of a window.
      headroom: As in `PackingConfig`; named where a window does not fit.
      first: Window 0, where it is packed already.
    """
    self._sampler = sampler
    self._capacity = capacity
    self._rows = rows
    self._headroom = headroom
    self._drafts: dict[int, _Draft] = {}  # The one used last is last.
    self._lock = threading.Lock()
    if first is not None:
      self._drafts[0] = _Draft(1, _last_bite(first, rows, sampler.seed, 0))

  def get(self, window: int) -> WindowPlan:
    """Returns the plan of a window.

    Raises:
      PackingError: its examples do not fit into its rows.
    """
    with self._lock:
      draft = self._use(window)
      draft.advance(draft.left)
    if draft.rows > self._rows:
      places = draft.rows * self._capacity.tokens
      needed = places / self._sampler.expected()[0]
      verb = 'set' if self._headroom is None else 'raise'
      raise PackingError(
        f'window {window} fills {draft.rows} rows, PACK_HEADROOM '
        f'{self._headroom} leaves it {self._rows}: {verb} it to '
        f'{needed + 0.01:.2f}, or raise PACK_LENGTH'
      )
    return draft.plan

  def plan_ahead(self, window: int, batches: int) -> None:
    """Does one batch's share of planning a window.

    Args:
      window: The window.
      batches: Over how many batches, this one included, the work that is left
        shall be spread.
    """
    with self._lock:
      draft = self._use(window)
      draft.advance(-(-draft.left // batches))

  def _use(self, window: int) -> '_Draft':
    draft = self._drafts.pop(window, None)
    if draft is None:
      while len(self._drafts) >= _HELD:
        del self._drafts[next(iter(self._drafts))]
      work = _bites(self._sampler, self._capacity, self._rows, window)
      draft = _Draft(_count_bites(self._sampler), work)
    self._drafts[window] = draft
    return draft


class _Draft:
  """A window's plan in the making.

  Attributes:
    left: Bites left to do.
    rows: Rows filled, when none is left.
    plan: The plan when none is left, unless the rows do not suffice.
  """

  def __init__(self, bites: int, work: Iterator):
    """Initializes it with what `_bites` returns, and how often it yields."""
    self.left = bites
    self.rows = 0
    self.plan: WindowPlan | None = None
    self._work = work

  def advance(self, bites: int) -> None:
    for _ in range(min(bites, self.left)):
      done = next(self._work)
      self.left -= 1
      if done is not None:
        self.rows, self.plan = done
        self._work = iter(())  # What it holds is ten times the plan.


def _count_bites(sampler: Sampler) -> int:
  draws = sum(sampler.rates) * sampler.epochs_per_window
  return -(-len(sampler.splits) // _UNITS_A_BITE) + -(-draws // _BITE) + 1


def _bites(
  sampler: Sampler, capacity: Capacity, rows: int, window: int
) -> Iterator[tuple[int, WindowPlan | None] | None]:
  """Plans a window; yields once a bite, at the last what `_Draft` keeps."""
  parts = []
  splits = range(len(sampler.splits))
  for first in splits[::_UNITS_A_BITE]:
    chosen = splits[first : first + _UNITS_A_BITE]
    parts.append(sampler.draws(window, chosen))
    yield
  draws = Draws.joined(parts)
  packer = Packer(draws.length, draws.targets, capacity)
  for _ in range(0, len(draws.split), _BITE):
    packer.place(_BITE)
    yield
  packed = PackedWindow(draws, *packer.rows())
  yield from _last_bite(packed, rows, sampler.seed, window)


def _last_bite(
  packed: PackedWindow, rows: int, seed: int, window: int
) -> Iterator[tuple[int, WindowPlan | None]]:
  yield packed.rows, packed.plan(rows, key_of(seed, window))
