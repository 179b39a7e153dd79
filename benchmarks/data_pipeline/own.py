"""The input of this project: token cache, sampler, packer, loader."""

from collections.abc import Iterator, Mapping
import dataclasses
import itertools
import pathlib
import time

import numpy as np

from flan_jax.batches.loader import BatchPlan, Loader, PackingConfig
from flan_jax.batches.sampler import Sampler
from flan_jax.batches.window import WindowStart
from flan_jax.cache.cached_split import CachedSplit
from flan_jax.cache.framing import CacheConfig, Framing
from flan_jax.cache.store import split_key
from flan_jax.cache.writer import CacheWriter
from flan_jax.definitions import names
from flan_jax.vocabulary.base import Vocabulary

# The arrays of a batch, all int32 [B, L].
ARRAYS = ('tokens', 'segments', 'positions', 'labels', 'loss_mask')
# Hugging Face's label of what is not learned.
IGNORED = -100

Batch = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Task:
  """What all sides read."""

  mixture: str  # Its name.
  config: CacheConfig  # Lengths and directories.
  vocabulary: Vocabulary
  packing: PackingConfig
  seed: int  # Of every shuffling.
  folder: pathlib.Path  # Where sides put what they make.

  @property
  def shape(self) -> tuple[int, int]:
    """Shape (B, L) of a batch."""
    return self.packing.batch_rows, self.packing.pack_length


class OwnSide:
  """Makes the cache of a mixture and reads it."""

  def __init__(self, task: Task):
    """Initializes the side; nothing is made or opened yet."""
    members = names.resolve(task.mixture).members
    keys = [split_key(member, 'train') for member in members]
    self._task = task
    self._writer = CacheWriter(keys, task.config, task.vocabulary)
    self._framing = Framing.of(task.config, task.vocabulary)

  def make_cache(self) -> tuple[int, float]:
    """Writes what is missing; returns (rows read, seconds)."""
    rows = self._writer.plan().rows
    begin = time.perf_counter()
    self._writer.make(log=lambda line: None)
    return rows, time.perf_counter() - begin

  def splits(self) -> list[CachedSplit]:
    """Opens the cached splits."""
    return self._writer.open()

  def _plan(self) -> BatchPlan:
    sampler = Sampler(self.splits(), self._framing, self._task.seed)
    return BatchPlan(sampler, self._task.packing)

  def batches(self) -> Iterator[Batch]:
    """Yields batches in the form of the others, from step 0 on."""
    return map(dense, self.compact_batches())

  def compact_batches(self) -> Iterator[Batch]:
    """Yields batches as they are: labels at target positions only."""
    plan = self._plan()
    for step in itertools.count():
      yield plan.batch(step)

  def loaded_batches(self) -> Iterator[Batch]:
    """Yields batches as training gets them: on a device, by a thread."""
    import jax

    from flan_jax.sharding import MeshConfig, batch_sharding, make_mesh

    mesh = make_mesh(MeshConfig(), jax.devices()[:1])
    yield from Loader(self._plan(), 0, batch_sharding(mesh))

  def seconds_to_seek(self, start: WindowStart) -> float:
    """Returns how long the first batch of a window takes, unplanned."""
    plan = self._plan()
    begin = time.perf_counter()
    plan.windows.start_at(start)
    plan.batch(start.step)
    return time.perf_counter() - begin

  def examples(self) -> Iterator[dict[str, np.ndarray]]:
    """Yields the examples of the first window in Hugging Face's form."""
    splits = self.splits()
    draws = Sampler(splits, self._framing, self._task.seed).draws(0)
    for split, rendering in zip(draws.split, draws.rendering, strict=True):
      prompt, target = self._spans(splits[split], int(rendering))
      ignored = np.full(len(prompt), IGNORED, np.int32)
      yield {
        'input_ids': np.concatenate([prompt, target]),
        'labels': np.concatenate([ignored, target]),
      }

  def every_sequence(self) -> set[bytes]:
    """Returns all sequences of the cache, as bytes of int32."""
    return {np.concatenate(spans).tobytes() for spans in self.every_rendering()}

  def every_rendering(self) -> Iterator[list[np.ndarray]]:
    """Yields prompt and target of each rendering of the cache, int32."""
    for split in self.splits():
      for index in range(len(split.renderings)):
        yield self._spans(split, index)

  def _spans(self, split: CachedSplit, index: int) -> list[np.ndarray]:
    """Returns prompt and target of a rendering, int32."""
    rendering = split.renderings[index]
    target = split.span(int(rendering['first']) + 1)
    framed = self._framing.target(target, bool(rendering['targets_cut']))
    prompt = split.prompt(index, self._framing)
    return [np.asarray(span, np.int32) for span in (prompt, framed)]


def dense(batch: Batch) -> Batch:
  """Returns a batch with labels and a mask for every position of a row."""
  rows, slots = np.nonzero(batch['target_weights'])
  places = batch['target_positions'][rows, slots]
  labels = np.zeros_like(batch['tokens'])
  labels[rows, places] = batch['target_labels'][rows, slots]
  mask = np.zeros_like(labels)
  mask[rows, places] = 1
  kept = {name: batch[name] for name in ('tokens', 'segments', 'positions')}
  return {**kept, 'labels': labels, 'loss_mask': mask}
