"""Windows: which example stands where, planned before it is needed."""

from collections.abc import Iterator
import dataclasses
import threading

import numpy as np

from flan_jax.data.packing import Capacity, Packer, PackingError
from flan_jax.data.sampler import Draws, Sampler, key_of, permute

# Examples packed at a time. A window is planned in bites of well under a
# millisecond, so that no batch waits for a whole one.
_BITE = 64
_UNITS_A_BITE = 8
# Windows whose plans are held: the one that is read, and the next.
_HELD = 2


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


class Windows:
  """Plans windows and holds the plans of two.

  May be called from several threads.
  """

  def __init__(
    self, sampler: Sampler, capacity: Capacity, rows: int, headroom: float
  ):
    """Initializes it.

    Args:
      sampler: Draws the examples.
      capacity: Of one row.
      rows: Rows of a window.
      headroom: As in `PackingConfig`; named where a window does not fit.
    """
    self._sampler = sampler
    self._capacity = capacity
    self._rows = rows
    self._headroom = headroom
    self._drafts: dict[int, _Draft] = {}  # The one used last is last.
    self._lock = threading.Lock()

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
      raise PackingError(
        f'window {window} fills {draft.rows} rows, PACK_HEADROOM '
        f'{self._headroom} leaves it {self._rows}: raise it to '
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
      draft = _Draft(self._sampler, self._capacity, self._rows, window)
    self._drafts[window] = draft
    return draft


class _Draft:
  """A window's plan in the making.

  Attributes:
    left: Bites left to do.
    rows: Rows filled, when none is left.
    plan: The plan when none is left, unless the rows do not suffice.
  """

  def __init__(
    self, sampler: Sampler, capacity: Capacity, rows: int, window: int
  ):
    draws = sum(sampler.rates) * sampler.epochs_per_window
    units = len(sampler.units)
    self.left = -(-units // _UNITS_A_BITE) + -(-draws // _BITE) + 1
    self.rows = 0
    self.plan: WindowPlan | None = None
    self._work = _bites(sampler, capacity, rows, window)

  def advance(self, bites: int) -> None:
    for _ in range(min(bites, self.left)):
      done = next(self._work)
      self.left -= 1
      if done is not None:
        self.rows, self.plan = done
        self._work = iter(())  # What it holds is ten times the plan.


def _bites(
  sampler: Sampler, capacity: Capacity, rows: int, window: int
) -> Iterator[tuple[int, WindowPlan | None] | None]:
  """Plans a window; yields once a bite, at the last what `_Draft` keeps."""
  parts = []
  units = range(len(sampler.units))
  for first in units[::_UNITS_A_BITE]:
    chosen = units[first : first + _UNITS_A_BITE]
    parts.append(sampler.draws(window, chosen))
    yield
  draws = Draws.joined(parts)
  packer = Packer(draws.length, draws.targets, capacity)
  for _ in range(0, len(draws.unit), _BITE):
    packer.place(_BITE)
    yield
  items, start = packer.rows()
  filled = len(start) - 1
  if filled > rows:
    yield filled, None
    return
  order = permute(np.arange(rows), rows, key_of(sampler.seed, window))
  yield filled, _in_order(draws, items, start, order)


def _in_order(
  draws: Draws, items: np.ndarray, start: np.ndarray, order: np.ndarray
) -> WindowPlan:
  """Brings packed rows into an order; those beyond the packed ones are empty.

  Args:
    draws: The examples.
    items: Places in `draws`, row after row.
    start: First of `items` of each packed row, and their number at the end.
    order: The packed row that comes at each place, [rows].
  """
  start = np.pad(start, (0, len(order) + 1 - len(start)), 'edge')
  counts = np.diff(start)[order]
  row_start = np.concatenate([[0], np.cumsum(counts)])
  places = np.arange(len(items))
  places += np.repeat(start[order] - row_start[:-1], counts)
  return WindowPlan(draws.take(items[places]), row_start)
