"""Generates the answers to many prompts at once, reading each token once.

Prompts are read packed, several to a row. The keys and values of their tokens
then move to the slots of a batch, where the prompts are continued together. A
slot whose answer is finished takes the next prompt.
"""

from collections.abc import Iterator, Sequence
import dataclasses
from typing import Any

import jax
import numpy as np

from flan_jax.batches import packing
from flan_jax.evaluation.generation.sampling import Sampling
from flan_jax.evaluation.generation.slot_programs import SlotPrograms
from flan_jax.evaluation.generation.stopping import Stop, never
from flan_jax.evaluation.scoring.rank_batches import row_length
from flan_jax.model import DecoderConfig

# Prompts are read when this share of the slots is free or all are idle, so that
# the rows of prompts are full.
_FREE_SHARE = 0.25
_MAX_SEGMENTS = 64


class Generator:
  """Continues prompts on one mesh."""

  def __init__(
    self,
    config: DecoderConfig,
    mesh: jax.sharding.Mesh,
    end: int,
    tokens_per_batch: int = 8192,
    sampling: Sampling | None = None,
    vocab_size: int | None = None,
  ):
    """Initializes the generator; the programs compile on first use.

    Args:
      config: Shape of the decoder.
      mesh: Slots are sharded over its data axes.
      end: The token that ends an answer.
      tokens_per_batch: Tokens that all slots hold together, over all devices.
      sampling: How tokens are drawn; None takes the most probable.
      vocab_size: Number of ids that may be drawn; None for all rows of the
        embedding.
    """
    self._tokens_per_batch = tokens_per_batch
    sampling = sampling or Sampling()
    vocab_size = vocab_size or config.vocab_size
    self._programs = SlotPrograms(config, mesh, end, sampling, vocab_size)

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
      waiting = [_Slot(i, prompts[i], limits[i]) for i in members]
      yield from _Batch(self._programs, params, width, slots, stop).run(waiting)


@dataclasses.dataclass
class _Slot:
  """A prompt and its answer so far, which may include an end token."""

  index: int
  prompt: Sequence[int]
  limit: int
  answer: list[int] = dataclasses.field(default_factory=list)


class _Batch:
  """Answers the prompts that need one width, in a fixed number of slots."""

  def __init__(self, programs, params, width, slots, stop):
    self._programs = programs
    self._params = params
    self._width = width
    self._stop = stop
    self._slots: list[_Slot | None] = [None] * slots
    self._few = max(1, int(slots * _FREE_SHARE))
    # Several prompts share a row, so a fraction of the slots is enough.
    self._rows = -(-self._few // programs.shards) * programs.shards
    self._cache = programs.empty(slots, width)

  def run(self, waiting: list[_Slot]) -> Iterator[tuple[int, list[int]]]:
    """Yields (prompt, tokens of its answer) as answers are finished."""
    while waiting or any(self._slots):
      free = self._slots.count(None)
      if waiting and (free >= self._few or not any(self._slots)):
        waiting = self._fill(waiting)
      else:
        self._extend()
      yield from self._finished()

  def _fill(self, waiting: list[_Slot]) -> list[_Slot]:
    """Reads the next prompts into free slots; returns those still waiting."""
    free = [n for n, slot in enumerate(self._slots) if slot is None]
    chosen = waiting[: len(free)]
    lengths = np.array([len(slot.prompt) for slot in chosen])
    capacity = packing.Capacity(self._width, 1, _MAX_SEGMENTS)
    rows = packing.pack(lengths, np.zeros(len(chosen), int), capacity)
    batch = packing.empty_batch(self._rows, capacity)
    read = []  # (slot, row, index of its first token)
    for row, items in enumerate(rows[: self._rows]):
      members = [chosen[item] for item in items]
      packing.fill_row(
        batch, row, [packing.Example(slot.prompt, ()) for slot in members]
      )
      start = 0
      for slot in members:
        read.append((slot, row, start))
        start += len(slot.prompt)
    # Padded to the number of slots, so that shapes do not change.
    last, rows_P, prompts_P = np.zeros((3, len(self._slots)), np.int32)
    for n, (slot, row, start) in enumerate(read):
      last[n] = start + len(slot.prompt) - 1
      rows_P[n], prompts_P[n] = row, slot.index
    first, kept = self._programs.prefill(
      self._params, batch, last, rows_P, prompts_P
    )
    for n, (slot, row, start) in zip(free, read, strict=False):
      self._cache = self._programs.insert(self._cache, kept, n, row, start)
      self._slots[n] = slot
    # Copied only now, so that the host does not wait before the insertions.
    tokens = np.asarray(first).tolist()
    for (slot, *_), token in zip(read, tokens, strict=False):
      slot.answer.append(token)
    return [slot for slot in waiting if not slot.answer]

  def _extend(self) -> None:
    """Adds tokens to the answer in every slot."""
    names = ('token', 'position', 'made', 'limit', 'prompt')
    rows = np.zeros((len(names), len(self._slots)), np.int32)
    for n, slot in enumerate(self._slots):
      if slot is not None:
        made = len(slot.answer)
        position = len(slot.prompt) + made - 1
        rows[:, n] = slot.answer[-1], position, made, slot.limit, slot.index
    state = dict(zip(names, rows, strict=True))
    state['active'] = np.array([slot is not None for slot in self._slots])
    self._cache, added = self._programs.advance(
      self._params, self._cache, state
    )
    for slot, tokens in zip(self._slots, added, strict=True):
      if slot is not None:
        slot.answer += tokens

  def _finished(self) -> Iterator[tuple[int, list[int]]]:
    """Empties the slots with finished answers, and yields the answers."""
    end = self._programs.end
    for n, slot in enumerate(self._slots):
      if slot is None:
        continue
      tokens = slot.answer
      ended = end in tokens
      if ended:
        tokens = tokens[: tokens.index(end)]
      whole = self._stop(tokens)
      if whole is not None:
        tokens = tokens[:whole]
      if ended or whole is not None or len(slot.answer) >= slot.limit:
        self._slots[n] = None
        yield slot.index, tokens
