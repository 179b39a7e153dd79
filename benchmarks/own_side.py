"""The way of this project: token cache, sampler, packer, loader."""

from collections.abc import Iterator, Sequence
import time

import numpy as np

from benchmarks.measuring import Batch
from flan_jax.batches.loader import BatchPlan, Loader, PackingConfig
from flan_jax.batches.sampler import Sampler
from flan_jax.cache.cached_split import (
  CacheConfig,
  CachedSplit,
  Framing,
  SplitKey,
)
from flan_jax.cache.writer import CacheWriter
from flan_jax.definitions import names
from flan_jax.vocabulary.base import Vocabulary

# Hugging Face's label of what is not to be learned.
IGNORED = -100


class OwnSide:
  """Makes the cache of a mixture and reads it."""

  def __init__(
    self,
    mixture: str,
    config: CacheConfig,
    vocabulary: Vocabulary,
    packing: PackingConfig,
    seed: int,
  ):
    """Initializes the side; nothing is made or opened yet."""
    keys = [
      SplitKey(member.part, 'train', member.templates, member.format)
      for member in names.members(mixture)
    ]
    self._writer = CacheWriter(keys, config, vocabulary)
    self._framing = Framing.of(config, vocabulary)
    self._packing = packing
    self._seed = seed

  def make_cache(self) -> tuple[int, float]:
    """Writes what is not there; returns (rows read, seconds)."""
    rows = self._writer.plan().rows
    begin = time.perf_counter()
    self._writer.make(log=lambda line: None)
    return rows, time.perf_counter() - begin

  def units(self) -> list[CachedSplit]:
    """Opens the units."""
    return self._writer.units()

  def plan(self, units: Sequence[CachedSplit] | None = None) -> BatchPlan:
    """Returns a plan with nothing planned yet, over units opened for it."""
    sampler = Sampler(units or self.units(), self._framing, self._seed)
    return BatchPlan(sampler, self._packing)

  def batches(self) -> Iterator[Batch]:
    """Yields batches in the form of the others, from step 0 on."""
    for batch in self.compact_batches():
      yield dense(batch)

  def compact_batches(self) -> Iterator[Batch]:
    """Yields batches as they are: labels at target positions only."""
    plan = self.plan()
    step = 0
    while True:
      yield plan.batch(step)
      step += 1

  def loaded_batches(self) -> Iterator[Batch]:
    """Yields batches as training gets them: on a device, by a thread."""
    import jax

    from flan_jax.sharding import MeshConfig, batch_sharding, make_mesh

    mesh = make_mesh(MeshConfig(), jax.devices()[:1])
    yield from Loader(self.plan(), 0, batch_sharding(mesh))

  def seconds_to_seek(self, step: int) -> float:
    """Returns how long a batch takes where nothing has been planned."""
    units = self.units()
    begin = time.perf_counter()
    self.plan(units).batch(step)
    return time.perf_counter() - begin

  def examples(self) -> Iterator[dict[str, np.ndarray]]:
    """Yields the examples of the first window in Hugging Face's form."""
    units = self.units()
    draws = Sampler(units, self._framing, self._seed).draws(0)
    for unit, rendering in zip(draws.split, draws.rendering, strict=True):
      prompt, target = self._spans(units[unit], int(rendering))
      ignored = np.full(len(prompt), IGNORED, np.int32)
      yield {
        'input_ids': np.concatenate([prompt, target]),
        'labels': np.concatenate([ignored, target]),
      }

  def every_sequence(self) -> set[bytes]:
    """Returns all sequences of the cache, as bytes of int32."""
    return {
      np.concatenate(self._spans(unit, index)).tobytes()
      for unit in self.units()
      for index in range(len(unit.renderings))
    }

  def _spans(
    self, unit: CachedSplit, index: int
  ) -> tuple[np.ndarray, np.ndarray]:
    """Returns prompt and target of a rendering, int32."""
    rendering = unit.renderings[index]
    target = unit.span(int(rendering['first']) + 1)
    cut = bool(rendering['targets_cut'])
    return (
      np.asarray(unit.prompt(index, self._framing), np.int32),
      np.asarray(self._framing.target(target, cut), np.int32),
    )


def dense(batch: Batch) -> Batch:
  """Returns a batch with labels and a mask for every place of a row."""
  rows, slots = np.nonzero(batch['target_weights'])
  places = batch['target_positions'][rows, slots]
  labels = np.zeros_like(batch['tokens'])
  labels[rows, places] = batch['target_labels'][rows, slots]
  mask = np.zeros_like(labels)
  mask[rows, places] = 1
  return {
    'tokens': batch['tokens'],
    'segments': batch['segments'],
    'positions': batch['positions'],
    'labels': labels,
    'loss_mask': mask,
  }


def sequence(tokens: np.ndarray, labels: np.ndarray) -> np.ndarray:
  """Returns a whole sequence: its last token is a label only."""
  return np.append(tokens, labels[-1])
