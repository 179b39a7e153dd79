"""Scores the examples of many clients in batches of few shapes."""

from collections.abc import Sequence
import functools
import itertools
from typing import Any

import jax
import numpy as np

from flan_jax.batches import packing
from flan_jax.evaluation.generation.slot_batch import Predicted
from flan_jax.evaluation.generation.slot_programs import ALTERNATIVES
from flan_jax.evaluation.scoring.rank_batches import row_length
from flan_jax.model import (
  DecoderConfig,
  computing_in,
  resolve_attention,
  target_log_probs,
)
from flan_jax.model.alternatives import target_alternatives
from flan_jax.serving.api_error import ApiError
from flan_jax.serving.jobs import Scored, Scoring
from flan_jax.sharding import batch_sharding, batch_shards, place, replicated

_MAX_SEGMENTS = 64
# Options have few tokens, while every token of an echoed prompt is scored.
_FEW_TARGETS = 8


class ScoringPrograms:
  """Computes log-likelihoods; each shape of a batch compiles on first use."""

  def __init__(
    self,
    config: DecoderConfig,
    mesh: jax.sharding.Mesh,
    tokens_per_batch: int,
    vocab_size: int,
    compute_dtype: str = 'float32',
  ):
    """Initializes programs for batches of at most `tokens_per_batch` tokens.

    They compute in `compute_dtype`, whatever the decoder does.
    """
    self.shards = batch_shards(mesh)
    self.tokens_per_batch = tokens_per_batch
    self._mesh = mesh
    self._sharding = batch_sharding(mesh)
    config = resolve_attention(computing_in(config, compute_dtype), mesh)
    whole = replicated(mesh)
    self._log_probs = jax.jit(
      functools.partial(target_log_probs, config), out_shardings=whole
    )
    self._alternatives = jax.jit(
      functools.partial(
        target_alternatives,
        config,
        count=min(ALTERNATIVES, vocab_size),
        vocab_size=vocab_size,
      ),
      out_shardings=whole,
    )

  def run(
    self, params: Any, batch: dict[str, np.ndarray], asked: bool
  ) -> list[np.ndarray]:
    """Returns the log-likelihood of each target [B, T], with alternatives."""
    placed = place(batch, self._sharding)
    program = self._alternatives if asked else self._log_probs
    with jax.set_mesh(self._mesh):
      found = program(params, placed)
    return [np.asarray(values) for values in (found if asked else [found])]

  def row_counts(self, length: int) -> list[int]:
    """Returns the numbers of rows that batches of rows of a length may have."""
    most = max(1, self.tokens_per_batch // length // self.shards) * self.shards
    doubled = (self.shards << n for n in itertools.count())
    return [*itertools.takewhile(lambda n: n < most, doubled), most]


class ScoringLane:
  """The jobs of one model that score."""

  running = 0

  def __init__(self, programs: ScoringPrograms, params: Any):
    self._programs = programs
    self._params = params
    self._waiting: list[Scoring] = []

  @property
  def jobs(self) -> list[Scoring]:
    """The unfinished jobs."""
    return list(self._waiting)

  def add(self, job: Scoring) -> None:
    """Adds a job to the end of the queue."""
    self._waiting.append(job)

  def fail(self, error: ApiError) -> None:
    """Ends every job with an error."""
    for job in self._waiting:
      job.deliver(error)
    self._waiting.clear()

  def step(self) -> None:
    """Scores the oldest job, and those that fit into a batch with it."""
    self._waiting = [job for job in self._waiting if not job.cancelled]
    if not self._waiting:
      return
    capacity, jobs = self._alike()
    asked = jobs[0].asked
    lengths = np.array([job.example.length for job in jobs])
    predicted = np.array([job.example.predicted for job in jobs])
    counts = self._programs.row_counts(capacity.tokens)
    rows = packing.pack(lengths, predicted, capacity)
    # The oldest job comes first, or it could wait for ever.
    rows = sorted(rows, key=min)[: counts[-1]]
    count = next(n for n in counts if n >= len(rows))
    batch = packing.empty_batch(count, capacity)
    owners = []
    for row, items in enumerate(rows):
      chosen = [jobs[item] for item in items]
      places = packing.fill_row(batch, row, [job.example for job in chosen])
      owners += [(job, row, p) for job, p in zip(chosen, places, strict=True)]
    values = self._programs.run(self._params, batch, asked)
    for job, row, places in owners:
      found = [[x[row, where] for x in values] for where in places]
      job.deliver(Scored(tuple(map(_target, found))))
    done = {id(job) for job, *_ in owners}
    self._waiting = [job for job in self._waiting if id(job) not in done]

  def _alike(self) -> tuple[packing.Capacity, list[Scoring]]:
    """Returns the rows that the oldest job needs, and the jobs that fit."""
    first = self._waiting[0]
    capacity = _capacity(first)
    alike = [
      job
      for job in self._waiting
      if job.asked == first.asked and _capacity(job) == capacity
    ]
    return capacity, alike


def _capacity(job: Scoring) -> packing.Capacity:
  length = row_length(job.example.length)
  targets = length // _FEW_TARGETS
  if job.asked or job.example.predicted > targets:
    # Targets may outnumber places: the last token of each takes none.
    targets = length + _MAX_SEGMENTS
  return packing.Capacity(length, targets, _MAX_SEGMENTS)


def _target(values: Sequence[np.ndarray]) -> tuple[float | Predicted, ...]:
  """Returns the numbers of one target, of which there are [tokens]."""
  own, *top = (x.tolist() for x in values)
  if not top:
    return tuple(own)
  return tuple(
    Predicted(log_prob, tuple(zip(ids, log_probs, strict=True)))
    for log_prob, log_probs, ids in zip(own, *top, strict=True)
  )
