"""Generates the answers to many prompts at once, reading each token once.

Prompts are read packed, several to a row. The keys and values of their tokens
then move to the slots of a batch, where the prompts are continued together. A
slot whose answer is finished takes the next prompt.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from flan_jax.evaluation.generation.prompt_groups import (
  by_width,
  share,
)
from flan_jax.evaluation.generation.prompt_rows import PromptRows
from flan_jax.evaluation.generation.sampling import Sampling
from flan_jax.evaluation.generation.slot_batch import Continuation, SlotBatch
from flan_jax.evaluation.generation.slot_programs import SlotPrograms
from flan_jax.evaluation.generation.stopping import Stop, never
from flan_jax.evaluation.scoring.rank_batches import row_length
from flan_jax.model import DecoderConfig

# Slots are filled again when this share of them is free.
_FREE_SHARE = 0.125
# Tokens of all slots, relative to those of prompts that are read together.
_READ_SHARE = 8


def slot_count(tokens_per_batch: int, width: int, shards: int) -> int:
  """Returns the most slots of a width; arguments as in `Generator`."""
  return max(1, tokens_per_batch // width // shards) * shards


def row_count(tokens_per_batch: int, length: int, shards: int) -> int:
  """Returns the most rows of a length in which prompts are read."""
  return max(1, tokens_per_batch // _READ_SHARE // length // shards) * shards


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
    wanted = np.array(limits) > 0
    for index in np.flatnonzero(~wanted).tolist():
      yield index, []
    queue = np.flatnonzero(wanted).tolist()
    waiting = [
      Continuation(prompts[index], limits[index], index, self._sampling, stop)
      for index in queue
    ]
    share(waiting)
    for width, members in by_width(waiting, self._tokens_per_batch):
      yield from self._run(params, width, members)

  def _run(
    self, params: Any, width: int, waiting: list[Continuation]
  ) -> Iterator[tuple[int, list[int]]]:
    """Yields (prompt, tokens of its answer) as answers are finished."""
    shards = self._programs.shards
    slots = slot_count(self._tokens_per_batch, width, shards)
    slots = min(slots, -(-len(waiting) // shards) * shards)
    longest = max(len(slot.prompt) - len(slot.shared) for slot in waiting)
    length = row_length(longest)
    most = row_count(self._tokens_per_batch, length, shards)
    counts = {max(1, most // shards // part) * shards for part in (1, 2, 4)}
    rows = PromptRows(length, sorted(counts))
    batch = SlotBatch(self._programs, params, width, slots, rows)
    few = max(1, int(slots * _FREE_SHARE))
    while waiting or batch.active:
      if batch.free >= few or not batch.running:
        while batch.free and (waiting or batch.ready):
          waiting = batch.fill(waiting, ahead=True)
      if batch.running:
        batch.extend(few if waiting or batch.ready else slots)
      for done in batch.finished():
        yield done.number, done.answer
