"""Windows: decide which examples come at which step, ahead of time."""

from collections.abc import Mapping
from concurrent import futures
import dataclasses
import threading
from typing import Any

import numpy as np

from flan_jax.batches.packing import Capacity, pack_rows, sizes_in
from flan_jax.batches.sampler import Draws, Sampler
from flan_jax.errors import ConfigError
from flan_jax.rendering.permutation import key_of, permute

# Number of plans held: that of the current window, and the next.
_HELD = 2


@dataclasses.dataclass(frozen=True)
class WindowStart:
  """The number of a window and its first step, both from 0."""

  window: int = 0
  step: int = 0

  @classmethod
  def recorded(cls, record: Mapping[str, Any], path: Any) -> 'WindowStart':
    """Returns the start that a checkpoint records.

    Raises:
      ConfigError: It is none; names the path.
    """
    found = record.get('window', {})
    window, step = found.get('window'), found.get('step')
    numbers = type(window) is type(step) is int and len(found) == 2
    # A window has a step, at least.
    if not numbers or not 0 <= window <= step:
      raise ConfigError(
        f'{path} does not record which window of examples comes next: start in '
        'another MODEL_DIR with INITIAL_CHECKPOINT_PATH'
      )
    return cls(window, step)


@dataclasses.dataclass(frozen=True)
class WindowPlan:
  """The rows of a window, in the order of steps.

  Attributes:
    draws: The examples, row after row.
    row_start: First example of each row, then their number, int64 [rows + 1].
  """

  draws: Draws
  row_start: np.ndarray

  @property
  def rows(self) -> int:
    return len(self.row_start) - 1

  def read(self, rows: np.ndarray) -> tuple[Draws, np.ndarray]:
    """Returns the examples of some rows, and their number in each row."""
    first, last = self.row_start[rows], self.row_start[rows + 1]
    bounds = zip(first.tolist(), last.tolist(), strict=True)
    places = [np.arange(start, stop) for start, stop in bounds]
    return self.draws.take(np.concatenate(places)), last - first


def plan_window(
  sampler: Sampler, capacity: Capacity, batch_rows: int, window: int
) -> WindowPlan:
  """Packs a window into the rows it needs, and shuffles the rows.

  Empty rows, shuffled too, round their number up to whole batches.
  """
  draws = sampler.draws(window)
  sizes = sizes_in(draws.length, draws.targets, capacity)
  items, start = pack_rows(draws.length, draws.targets, capacity, sizes)
  packed = len(start) - 1
  rows = -(-packed // batch_rows) * batch_rows
  order = permute(np.arange(rows), rows, key_of(sampler.seed, window))
  start = np.pad(start, (0, rows - packed), 'edge')
  counts = np.diff(start)[order]
  row_start = np.concatenate([[0], np.cumsum(counts)])
  places = np.arange(len(items))
  places += np.repeat(start[order] - row_start[:-1], counts)
  return WindowPlan(draws.take(items[places]), row_start)


class Windows:
  """Finds the window of any step, as `plan_window` plans it. Thread-safe.

  A window takes as many steps as its rows need. To find its first step, those
  before it are planned (about 0.1 seconds each), unless `start_at` told it. The
  next window is planned in the background.
  """

  def __init__(self, sampler: Sampler, capacity: Capacity, batch_rows: int):
    self._sampler = sampler
    self._capacity = capacity
    self._batch_rows = batch_rows
    self._first_steps = {0: 0}  # Known ones, by window.
    self._plans: dict[int, futures.Future[WindowPlan]] = {}
    self._planner = futures.ThreadPoolExecutor(1, 'window-planner')
    self._lock = threading.RLock()

  def start_at(self, start: WindowStart) -> None:
    """Records where a window begins, as a checkpoint tells."""
    with self._lock:
      self._first_steps[start.window] = start.step

  def start_before(self, step: int) -> WindowStart:
    """Returns the last known start up to a step; plans nothing."""
    with self._lock:
      known = self._first_steps.items()
      return WindowStart(*max(start for start in known if start[1] <= step))

  def find(self, step: int) -> tuple[WindowPlan, int]:
    """Returns the plan of a step's window, and the step's index in it."""
    with self._lock:
      start = self.start_before(step)
      while True:
        plan = self._plan(start.window).result()
        following = WindowStart(
          start.window + 1, start.step + plan.rows // self._batch_rows
        )
        self._first_steps[following.window] = following.step
        if step < following.step:
          break
        start = following
      self._plan(following.window)
      return plan, step - start.step

  def _plan(self, window: int) -> futures.Future[WindowPlan]:
    plan = self._plans.pop(window, None)
    if plan is None:
      while len(self._plans) >= _HELD:
        self._plans.pop(next(iter(self._plans))).cancel()
      plan = self._planner.submit(
        plan_window, self._sampler, self._capacity, self._batch_rows, window
      )
    self._plans[window] = plan
    return plan
