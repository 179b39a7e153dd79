"""Finds and loads the batch of any step."""

import collections
from collections.abc import Iterator
from concurrent import futures
import dataclasses
import functools
import itertools
import math
from typing import Any

import jax
import numpy as np

from flan_jax.batches.packing import Capacity, assemble, check_fits
from flan_jax.batches.sampler import Sampler
from flan_jax.batches.window import Windows
from flan_jax.definitions.digests import digest
from flan_jax.runtime.watchdog import waiting_for
from flan_jax.setting_types import Count, check_fields

# Increment when the same data, seed and configuration give other batches.
_ORDER_VERSION = 2

_LEAST_TARGET_BUDGET = 257
_TARGET_SPREAD = 3
_PREFETCH = 2
_NOTHING = np.zeros(0, np.int32)


@dataclasses.dataclass(frozen=True)
class PackingConfig:
  """The shape of a batch.

  Attributes:
    batch_rows: Rows of a batch (BATCH_ROWS), over all devices.
    pack_length: Tokens of a row (PACK_LENGTH). The paper's batch of 8,192
      tokens is 4 rows of 2,048.
    target_budget: Predicted tokens of a row (TARGET_BUDGET); None for three
      times the mean, at least 257 or a row.
    max_segments: Examples of a row.
  """

  batch_rows: Count = 4
  pack_length: Count = 2048
  target_budget: Count | None = None
  max_segments: Count = 256

  def __post_init__(self):
    check_fields(self)


class BatchPlan:
  """Finds the batch of any step.

  A batch is a pure function of the step and of what `data_order_digest` covers.

  Attributes:
    sampler: Draws the examples.
    batch_rows: Rows of a batch.
    capacity: Capacity of a row.
    windows: Finds the window of a step.
  """

  def __init__(self, sampler: Sampler, config: PackingConfig):
    """Raises PackingError if an example does not fit into a row."""
    self.sampler = sampler
    self._config = config
    self.batch_rows = config.batch_rows
    tokens, targets = sampler.expected()
    budget = config.target_budget or _target_budget(
      config.pack_length, targets / tokens
    )
    self.capacity = Capacity(
      tokens=config.pack_length, targets=budget, segments=config.max_segments
    )
    check_fits(*sampler.longest(), self.capacity)
    self.windows = Windows(sampler, self.capacity, config.batch_rows)

  @property
  def data_order_digest(self) -> str:
    """Digest of everything that decides the batch of a step."""
    sampler = self.sampler
    about = {
      'version': _ORDER_VERSION,
      'splits': [split.digest for split in sampler.splits],
      'names': [split.name for split in sampler.splits],
      'rates': sampler.rates,
      'seed': sampler.seed,
      'epochs_per_window': sampler.epochs_per_window,
      'framing': dataclasses.asdict(sampler.framing),
      'packing': dataclasses.asdict(self._config),
      'capacity': dataclasses.asdict(self.capacity),
    }
    return digest(about)

  def batch(
    self, step: int, rows: slice | np.ndarray = slice(None)
  ) -> dict[str, np.ndarray]:
    """Returns some rows of the batch of a step, see `packing.assemble`."""
    window, place = self.windows.find(step)
    wanted = place * self.batch_rows + np.arange(self.batch_rows)[rows]
    draws, counts = window.read(wanted)
    parts: list[np.ndarray] = [_NOTHING]
    splits, framing = self.sampler.splits, self.sampler.framing
    for split, rendering in zip(
      draws.split.tolist(), draws.rendering.tolist(), strict=True
    ):
      parts += splits[split].example_parts(rendering, framing)
    return assemble(
      np.concatenate(parts), draws.length, draws.targets, counts, self.capacity
    )

  def examples(self, step: int) -> dict[str, list[str]]:
    """Returns the ids of the rows in the batch of a step, by their part."""
    window, place = self.windows.find(step)
    wanted = place * self.batch_rows + np.arange(self.batch_rows)
    draws, _ = window.read(wanted)
    found: dict[str, list[str]] = {}
    for number, rendering in zip(
      draws.split.tolist(), draws.rendering.tolist(), strict=True
    ):
      split = self.sampler.splits[number]
      row = split.rows[split.renderings['row'][rendering]]
      found.setdefault(split.name, []).append(row['id'])
    return found

  def fill(self, step: int = 0) -> float:
    """Returns the share of the places of a step's window that hold tokens."""
    window, _ = self.windows.find(step)
    used = window.draws.length.sum()
    return float(used / (window.rows * self.capacity.tokens))


def _target_budget(pack_length: int, share: float) -> int:
  """Returns the default budget, a multiple of 8 unless it is a whole row.

  >>> _target_budget(2048, 0.1), _target_budget(160, 0.1)
  (616, 160)

  Args:
    pack_length: Tokens of a row.
    share: The share of tokens that are predicted.
  """
  budget = max(_LEAST_TARGET_BUDGET, _TARGET_SPREAD * pack_length * share)
  return min(math.ceil(budget / 8) * 8, pack_length)


class Loader:
  """Yields the batches of steps `first`, `first + 1`, … as global arrays.

  A thread assembles batches and sends them to the devices two steps ahead. Each
  process assembles only the rows of its devices. `sharding` is that of a batch,
  rows over the first axis. What fails in the thread is raised here.
  """

  def __init__(self, plan: BatchPlan, first: int, sharding: Any):
    self._thread = futures.ThreadPoolExecutor(1, 'loader')
    self._batches = (
      (step, self._thread.submit(global_batch, plan, step, sharding))
      for step in itertools.count(first)
    )
    self._ahead = collections.deque(itertools.islice(self._batches, _PREFETCH))

  def __iter__(self) -> Iterator[dict[str, Any]]:
    while True:
      self._ahead.append(next(self._batches))
      step, batch = self._ahead.popleft()
      if batch.done():
        yield batch.result()
        continue
      with waiting_for(f'the batch of step {step + 1}'):
        found = batch.result()
      yield found

  def close(self) -> None:
    """Stops the thread."""
    self._thread.shutdown(cancel_futures=True)


def global_batch(plan: BatchPlan, step: int, sharding: Any) -> dict[str, Any]:
  """Returns the batch of a step as arrays over the mesh of `sharding`."""
  total = plan.batch_rows
  batch = plan.batch(step, local_rows(sharding, total, jax.process_index()))
  shapes = {name: (total, *array.shape[1:]) for name, array in batch.items()}
  return jax.make_array_from_process_local_data(sharding, batch, shapes)


def abstract_batch(plan: BatchPlan, sharding: Any) -> dict[str, Any]:
  """Returns shapes, types and sharding of every batch; reads none."""
  empty = assemble(*[_NOTHING] * 4, plan.capacity)
  return {
    name: jax.ShapeDtypeStruct(
      (plan.batch_rows, *array.shape[1:]), array.dtype, sharding=sharding
    )
    for name, array in empty.items()
  }


@functools.lru_cache(maxsize=8)
def local_rows(sharding: Any, total: int, process: int) -> np.ndarray:
  """Returns the rows of a batch that a process assembles, in order.

  These are the rows of its devices. If processes share some of their rows but
  not all, they are all rows of the batch, which JAX then divides.
  """
  held: dict[int, set[int]] = {}
  for device, index in sharding.devices_indices_map((total,)).items():
    rows = range(*index[0].indices(total))
    held.setdefault(device.process_index, set()).update(rows)
  mine = held[process]
  if all(rows == mine or rows.isdisjoint(mine) for rows in held.values()):
    return np.array(sorted(mine))
  return np.arange(total)
