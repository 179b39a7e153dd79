"""Generates the answers to many prompts at once, reading each token once.

Prompts are read packed, several to a row. The keys and values of their tokens
then move to the slots of a batch, where the prompts are continued together. A
slot whose answer is finished takes the next prompt.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from flan_jax.evaluation.generation.sampling import Sampling
from flan_jax.evaluation.generation.slot_batch import Continuation, SlotBatch
from flan_jax.evaluation.generation.slot_programs import SlotPrograms
from flan_jax.evaluation.generation.stopping import Stop, never
from flan_jax.evaluation.scoring.rank_batches import row_length
from flan_jax.model import DecoderConfig

# Prompts are read when this share of the slots is free or all are idle, so that
# the rows of prompts are full.
_FREE_SHARE = 0.25


class Generator:
  """Continues prompts on one mesh."""

  def __init__(
    self,
    config: DecoderConfig,
    mesh: jax.sharding.Mesh,
    ends: Sequence[int],
    tokens_per_batch: int = 8192,
    sampling: Sampling | None = None,
    vocab_size: int | None = None,
  ):
    """Initializes the generator; the programs compile on first use.

    Args:
      config: Shape of the decoder.
      mesh: Slots are sharded over its data axes.
      ends: The tokens that end an answer.
      tokens_per_batch: Tokens that all slots hold together, over all devices.
      sampling: How tokens are drawn; None takes the most probable.
      vocab_size: Number of ids that may be drawn; None for all rows of the
        embedding.
    """
    self._tokens_per_batch = tokens_per_batch
    self._sampling = sampling or Sampling()
    vocab_size = vocab_size or config.vocab_size
    self._programs = SlotPrograms(config, mesh, ends, vocab_size)

  def answers(
    self,
    params: Any,
    prompts: Sequence[Sequence[int]],
    limits: Sequence[int],
    stop: Stop = never,
  ) -> Iterator[tuple[int, list[int]]]:
    """Yields (index of the prompt, tokens that follow it) as they are found.

    Args:
      params: Parameters of the decoder.
      prompts: Token ids of each prompt, including the separator.
      limits: Most tokens to generate for each prompt, end token included; the
        answer does not contain the end token.
      stop: Decides whether an answer is whole.
    """
    totals = [len(p) + n for p, n in zip(prompts, limits, strict=True)]
    widths = np.array([row_length(total) for total in totals])
    wanted = np.array(limits) > 0
    for index in np.flatnonzero(~wanted).tolist():
      yield index, []
    shards = self._programs.shards
    for width in sorted(set(widths[wanted].tolist())):
      members = np.flatnonzero((widths == width) & wanted).tolist()
      # Long answers first, so that what remains at the end is short.
      members.sort(key=lambda i: (-limits[i], totals[i]))
      slots = max(1, self._tokens_per_batch // width // shards)
      slots = min(slots, -(-len(members) // shards)) * shards
      waiting = [
        Continuation(prompts[i], limits[i], i, self._sampling, stop)
        for i in members
      ]
      few = max(1, int(slots * _FREE_SHARE))
      # Several prompts share a row, so a fraction of the slots is enough.
      rows = -(-few // shards) * shards
      batch = SlotBatch(self._programs, params, width, slots, [rows])
      yield from _run(batch, waiting, few)


def _run(
  batch: SlotBatch, waiting: list[Continuation], few: int
) -> Iterator[tuple[int, list[int]]]:
  """Yields (prompt, tokens of its answer) as answers are finished."""
  while waiting or batch.active:
    if waiting and (batch.free >= few or not batch.active):
      waiting = batch.fill(waiting)
    else:
      batch.extend()
    for done in batch.finished():
      yield done.number, done.answer
