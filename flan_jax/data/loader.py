"""From units to batches: batch s is a pure function of the contract."""

from collections.abc import Iterator
import dataclasses
import functools
import math
import queue
import threading
from typing import Any

import numpy as np

from flan_jax.data import fingerprint
from flan_jax.data.packing import (
  Capacity,
  Example,
  PackingError,
  empty_batch,
  fill_row,
  pack,
)
from flan_jax.data.sampler import Sampler, key_of, permute


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
      (PACK_HEADROOM).
    max_segments: Examples of a row.
  """

  batch_rows: int = 4
  pack_length: int = 2048
  target_budget: int | None = None
  headroom: float = 1.02
  max_segments: int = 256


_LEAST_TARGET_BUDGET = 257
_TARGET_SPREAD = 3
_PREFETCH = 2


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
    rows = math.ceil(tokens * config.headroom / config.pack_length)
    self.steps_per_window = math.ceil(rows / config.batch_rows)
    self.rows_per_window = self.steps_per_window * config.batch_rows

  @property
  def contract(self) -> str:
    """Digest of all that decides which batch comes at which step."""
    sampler = self._sampler
    return fingerprint.digest(
      {
        'units': [unit.digest for unit in sampler.units],
        'names': [unit.name for unit in sampler.units],
        'rates': sampler.rates,
        'seed': sampler.seed,
        'epochs_per_window': sampler.epochs_per_window,
        'framing': dataclasses.asdict(sampler.framing),
        'packing': dataclasses.asdict(self._config),
        'capacity': dataclasses.asdict(self.capacity),
      }
    )

  @functools.lru_cache(maxsize=2)  # noqa: B019 - a plan lives as long as a run
  def _window(self, window: int):
    """Returns (draws, rows of draw indices), rows in the order of steps."""
    draws = self._sampler.draws(window)
    rows = pack(draws.length, draws.targets, self.capacity)
    if len(rows) > self.rows_per_window:
      places = len(rows) * self.capacity.tokens
      needed = places / self._sampler.expected()[0]
      raise PackingError(
        f'window {window} fills {len(rows)} rows, PACK_HEADROOM '
        f'{self._config.headroom} leaves it {self.rows_per_window}: raise it '
        f'to {needed + 0.01:.2f}, or raise PACK_LENGTH'
      )
    rows += [[] for _ in range(self.rows_per_window - len(rows))]
    order = permute(
      np.arange(len(rows)), len(rows), key_of(self._sampler.seed, window)
    )
    return draws, [rows[i] for i in order]

  def batch(
    self, step: int, rows: slice = slice(None)
  ) -> dict[str, np.ndarray]:
    """Returns the rows of the batch of a step, see `packing.fill_row`."""
    draws, packed = self._window(step // self.steps_per_window)
    first = step % self.steps_per_window * self._config.batch_rows
    packed = packed[first : first + self._config.batch_rows][rows]
    batch = empty_batch(len(packed), self.capacity)
    for row, items in enumerate(packed):
      fill_row(batch, row, [self._example(draws, item) for item in items])
    del batch['branches']  # One target an example: nothing to tell apart.
    return batch

  def _example(self, draws, item: int) -> Example:
    unit = self._sampler.units[draws.unit[item]]
    index = int(draws.record[item])
    record = unit.records[index]
    target = unit.piece(int(record['first']) + 1)
    framing = self._sampler.framing
    return Example(
      unit.prompt(index, framing),
      (framing.target(target, bool(record['targets_cut'])),),
    )

  def fill(self, window: int = 0) -> float:
    """Returns the share of a window's places that hold tokens."""
    draws, _ = self._window(window)
    places = self.rows_per_window * self.capacity.tokens
    return float(draws.length.sum() / places)


def _target_budget(mean: float) -> int:
  """Returns the default budget, a multiple of 8."""
  budget = max(_LEAST_TARGET_BUDGET, _TARGET_SPREAD * mean)
  return math.ceil(budget / 8) * 8


class Loader:
  """Yields the batches of steps `first`, `first + 1`, … as global arrays.

  A thread plans and assembles ahead of the step. Each process builds only the
  rows that its devices hold.
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
        item = error
      while not self._stop.is_set():
        try:
          self._queue.put(item, timeout=0.1)
          break
        except queue.Full:
          continue
      if isinstance(item, Exception):
        return
      step += 1


def global_batch(plan: BatchPlan, step: int, sharding: Any) -> dict[str, Any]:
  """Returns the batch of a step as arrays over the mesh of `sharding`."""
  import jax

  rows = functools.lru_cache(maxsize=None)(
    lambda start, stop: plan.batch(step, slice(start, stop))
  )
  total = plan.rows_per_window // plan.steps_per_window
  shapes = {
    name: (total, *array.shape[1:])
    for name, array in empty_batch(1, plan.capacity).items()
    if name != 'branches'
  }

  def place(name):
    def local(index):
      start, stop, _ = index[0].indices(total)
      return rows(start, stop)[name]

    return jax.make_array_from_callback(shapes[name], sharding, local)

  return {name: place(name) for name in shapes}
