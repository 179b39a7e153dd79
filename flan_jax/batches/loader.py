"""From cached splits to batches: batch s is a pure function."""

from collections.abc import Iterator
import dataclasses
import functools
import math
import queue
import threading
from typing import Any

import numpy as np

from flan_jax.batches.assembly import assemble
from flan_jax.batches.packing import Capacity, PackingError
from flan_jax.batches.sampler import Sampler
from flan_jax.batches.window import Windows, pack_window, rows_for_all
from flan_jax.cache import identity


@dataclasses.dataclass(frozen=True)
class PackingConfig:
  """The shape of a batch.

  Attributes:
    batch_rows: Rows of a batch (BATCH_ROWS), over all devices.
    pack_length: Tokens of a row (PACK_LENGTH). The paper's batch of 8,192
      tokens is 4 rows of 2,048.
    target_budget: Predicted tokens of a row (TARGET_BUDGET); None for three
      times the mean, at least 257.
    headroom: Rows of a window over what its expected tokens fill
      (PACK_HEADROOM); None for as many as the first window and the spread of
      the others ask for, see `window.rows_for_all`.
    max_segments: Examples of a row.
  """

  batch_rows: int = 4
  pack_length: int = 2048
  target_budget: int | None = None
  headroom: float | None = None
  max_segments: int = 256


_LEAST_TARGET_BUDGET = 257
_TARGET_SPREAD = 3
_PREFETCH = 2
_NOTHING = np.zeros(0, np.int32)


class BatchPlan:
  """Finds the batch of any step.

  Attributes:
    capacity: Of one row.
    rows_per_window: R, a multiple of the batch's rows.
    steps_per_window: S.
  """

  def __init__(self, sampler: Sampler, config: PackingConfig):
    """Initializes the plan.

    Raises:
      PackingError: an example that no row can hold.
    """
    self._sampler = sampler
    self._config = config
    tokens, targets = sampler.expected()
    budget = config.target_budget or _target_budget(
      config.pack_length * targets / tokens
    )
    self.capacity = Capacity(
      tokens=config.pack_length, targets=budget, segments=config.max_segments
    )
    longest, most_targets = sampler.longest()
    if longest > config.pack_length or most_targets > budget:
      raise PackingError(
        f'an example has {longest} tokens, or {most_targets} target tokens; '
        f'PACK_LENGTH is {config.pack_length}, TARGET_BUDGET {budget}: raise '
        'them, or lower TASK_FEATURE_LENGTHS'
      )
    first = None
    if config.headroom is None:
      first = pack_window(sampler, self.capacity)
      rows = rows_for_all(first, self.capacity)
    else:
      rows = math.ceil(tokens * config.headroom / config.pack_length)
    self.steps_per_window = math.ceil(rows / config.batch_rows)
    self.rows_per_window = self.steps_per_window * config.batch_rows
    self._windows = Windows(
      sampler, self.capacity, self.rows_per_window, config.headroom, first
    )

  @property
  def data_order_digest(self) -> str:
    """Digest of all that decides which batch comes at which step."""
    sampler, rows = self._sampler, {}
    if self._config.headroom is None:
      # They depend on how they are found, too.
      rows = {'rows_per_window': self.rows_per_window}
    return identity.digest(
      {
        **rows,
        'splits': [split.digest for split in sampler.splits],
        'names': [split.name for split in sampler.splits],
        'rates': sampler.rates,
        'seed': sampler.seed,
        'epochs_per_window': sampler.epochs_per_window,
        'framing': dataclasses.asdict(sampler.framing),
        'packing': dataclasses.asdict(self._config),
        'capacity': dataclasses.asdict(self.capacity),
      }
    )

  def batch(
    self, step: int, rows: slice | np.ndarray = slice(None)
  ) -> dict[str, np.ndarray]:
    """Returns the batch of a step, see `assembly.assemble`.

    Args:
      step: Any step; the first is 0.
      rows: The rows that are wanted.

    Raises:
      PackingError: the step's window does not fit into its rows.
    """
    window, place = divmod(step, self.steps_per_window)
    first = place * self._config.batch_rows
    wanted = first + np.arange(self._config.batch_rows)[rows]
    draws, counts = self._windows.get(window).read(wanted)
    parts: list[np.ndarray] = [_NOTHING]
    splits, framing = self._sampler.splits, self._sampler.framing
    for split, rendering in zip(
      draws.split.tolist(), draws.rendering.tolist(), strict=True
    ):
      parts += splits[split].example_parts(rendering, framing)
    return assemble(
      np.concatenate(parts), draws.length, draws.targets, counts, self.capacity
    )

  def no_rows(self) -> dict[str, np.ndarray]:
    """Returns a batch of no rows; types and widths are those of any batch."""
    none = _NOTHING
    return assemble(none, none, none, counts=none, capacity=self.capacity)

  def plan_ahead(self, step: int) -> None:
    """Does a step's share of planning the window after the step's own.

    Called after every batch, it spreads the planning of a window evenly over
    the steps of the one before; a batch is the same without it.
    """
    window, place = divmod(step, self.steps_per_window)
    left = self.steps_per_window - 1 - place
    self._windows.plan_ahead(window + 1, max(left, 1))

  def fill(self, window: int = 0) -> float:
    """Returns the share of a window's places that hold tokens."""
    tokens = self._windows.get(window).draws.length.sum()
    return float(tokens / (self.rows_per_window * self.capacity.tokens))


def _target_budget(mean: float) -> int:
  """Returns the default budget, a multiple of 8."""
  budget = max(_LEAST_TARGET_BUDGET, _TARGET_SPREAD * mean)
  return math.ceil(budget / 8) * 8


class Loader:
  """Yields the batches of steps `first`, `first + 1`, … as global arrays.

  A thread assembles batches and hands them to the devices two steps ahead, and
  plans the next window little by little. Each process builds only the rows
  that its devices hold.
  """

  def __init__(self, plan: BatchPlan, first: int, sharding: Any):
    """Starts loading.

    Args:
      plan: Finds batches.
      first: The first step.
      sharding: Of a batch, rows over the first axis.
    """
    self._plan = plan
    self._sharding = sharding
    self._queue: queue.Queue = queue.Queue(maxsize=_PREFETCH)
    self._stop = threading.Event()
    self._thread = threading.Thread(
      target=self._run, args=(first,), name='loader', daemon=True
    )
    self._thread.start()

  def __iter__(self) -> Iterator[dict[str, Any]]:
    while True:
      item = self._queue.get()
      if isinstance(item, Exception):
        raise item
      yield item

  def close(self) -> None:
    """Stops the thread."""
    self._stop.set()
    while self._thread.is_alive():
      try:
        self._queue.get(timeout=0.05)
      except queue.Empty:
        pass

  def _run(self, step: int) -> None:
    while not self._stop.is_set():
      try:
        item = global_batch(self._plan, step, self._sharding)
      except Exception as error:  # handed to the consumer, who raises it
        self._put(error)
        return
      self._put(item)
      self._plan.plan_ahead(step)
      step += 1

  def _put(self, item: Any) -> None:
    while not self._stop.is_set():
      try:
        self._queue.put(item, timeout=0.1)
        return
      except queue.Full:
        continue


def global_batch(plan: BatchPlan, step: int, sharding: Any) -> dict[str, Any]:
  """Returns the batch of a step as arrays over the mesh of `sharding`."""
  import jax

  total = plan.rows_per_window // plan.steps_per_window
  batch = plan.batch(step, local_rows(sharding, total, jax.process_index()))
  shapes = {name: (total, *array.shape[1:]) for name, array in batch.items()}
  return jax.make_array_from_process_local_data(sharding, batch, shapes)


def abstract_batch(plan: BatchPlan, sharding: Any) -> dict[str, Any]:
  """Returns shapes, types and sharding of every batch; reads none."""
  import jax

  total = plan.rows_per_window // plan.steps_per_window
  return {
    name: jax.ShapeDtypeStruct(
      (total, *array.shape[1:]), array.dtype, sharding=sharding
    )
    for name, array in plan.no_rows().items()
  }


@functools.lru_cache(maxsize=8)
def local_rows(sharding: Any, total: int, process: int) -> np.ndarray:
  """Returns the rows of a batch that a process builds, in order.

  Those are the rows of its devices; all rows on a mesh whose processes share
  some of theirs and not others, which JAX then divides.

  Args:
    sharding: Of a batch, rows over the first axis.
    total: Rows of a batch.
    process: Number of the process.
  """
  held: dict[int, set[int]] = {}
  for device, index in sharding.devices_indices_map((total,)).items():
    rows = range(*index[0].indices(total))
    held.setdefault(device.process_index, set()).update(rows)
  mine = held[process]
  if all(rows == mine or rows.isdisjoint(mine) for rows in held.values()):
    return np.array(sorted(mine))
  return np.arange(total)
