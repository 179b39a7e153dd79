"""The slots of a batch: prompts join free ones and are continued together."""

from collections.abc import Sequence
import dataclasses
from typing import Any

import numpy as np

from flan_jax.batches import packing
from flan_jax.evaluation.generation.sampling import Draws, Sampling
from flan_jax.evaluation.generation.slot_programs import NOTHING, SlotPrograms
from flan_jax.evaluation.generation.stopping import Stop, never

_MAX_SEGMENTS = 64


@dataclasses.dataclass(frozen=True)
class Predicted:
  """What the model predicted in the place of a token.

  Attributes:
    log_prob: Log-probability of the token, in nats.
    top: The likeliest tokens with their log-probabilities, in falling order.
  """

  log_prob: float
  top: tuple[tuple[int, float], ...]


@dataclasses.dataclass
class Continuation:
  """A prompt and its answer so far.

  Attributes:
    prompt: Tokens of the prompt, including the separator.
    limit: Most tokens of the answer, end token included.
    number: Number of the prompt, which its draws depend on.
    sampling: How tokens are drawn.
    stop: Decides whether the answer is whole.
    asked: Whether alternatives to the tokens are kept.
    answer: Tokens so far; when it has finished, without what ended it.
    predicted: As many as tokens, if asked, and one for the end token.
    ended: Whether an end token or `stop` ended it, not the limit.
    end: The end token, if one ended it.
  """

  prompt: Sequence[int]
  limit: int
  number: int = 0
  sampling: Sampling = dataclasses.field(default_factory=Sampling)
  stop: Stop = never
  asked: bool = False
  answer: list[int] = dataclasses.field(default_factory=list)
  predicted: list[Predicted] = dataclasses.field(default_factory=list)
  ended: bool = False
  end: int | None = None

  def add(self, tokens: np.ndarray, predicted: Sequence[np.ndarray]) -> None:
    """Adds chosen tokens [C] and what was predicted in their places."""
    added = tokens[tokens != NOTHING].tolist()
    self.answer += added
    if self.asked:
      own, log_probs, ids = (x[: len(added)].tolist() for x in predicted)
      for log_prob, *top in zip(own, ids, log_probs, strict=True):
        self.predicted.append(
          Predicted(log_prob, tuple(zip(*top, strict=True)))
        )

  def finish(self, ends: Sequence[int]) -> bool:
    """Returns whether the answer is whole; if so, drops what is beyond it."""
    reached = len(self.answer) >= self.limit
    tokens = self.answer
    first = next((i for i, n in enumerate(tokens) if n in ends), None)
    ended = first is not None
    if ended:
      self.end, tokens = tokens[first], tokens[:first]
    whole = self.stop(tokens)
    if whole is not None:
      tokens = tokens[:whole]
    self.ended = ended or whole is not None
    if self.ended:
      self.answer = tokens
      del self.predicted[len(tokens) + (whole is None) :]
    return self.ended or reached


class SlotBatch:
  """A fixed number of slots, each as wide as a prompt with its answer."""

  def __init__(
    self,
    programs: SlotPrograms,
    params: Any,
    width: int,
    slots: int,
    row_counts: Sequence[int],
  ):
    """Initializes empty slots.

    Args:
      programs: Computes on the device.
      params: Parameters of the decoder.
      width: Tokens of a slot.
      slots: Number of slots, a multiple of the programs' shards.
      row_counts: Numbers of rows, rising, in which prompts are read; the first
        that is enough is used. Each compiles a program.
    """
    self._programs = programs
    self._params = params
    self._width = width
    self._slots: list[Continuation | None] = [None] * slots
    self._row_counts = row_counts
    self._cache = programs.empty(slots, width)

  @property
  def size(self) -> int:
    """The number of slots."""
    return len(self._slots)

  @property
  def free(self) -> int:
    """The number of free slots."""
    return self._slots.count(None)

  @property
  def active(self) -> list[Continuation]:
    return [slot for slot in self._slots if slot is not None]

  def grow(self, slots: int) -> None:
    """Adds free slots, up to a number of `slots`."""
    self._cache = self._programs.grow(self._cache, slots)
    self._slots += [None] * (slots - len(self._slots))

  def drop(self, slot: Continuation) -> None:
    """Frees the slot of an answer that nobody waits for any more."""
    # By identity: equal answers may be in several slots.
    self._slots = [None if other is slot else other for other in self._slots]

  def fill(self, waiting: Sequence[Continuation]) -> list[Continuation]:
    """Reads the next prompts into free slots; returns those still waiting."""
    free = [n for n, slot in enumerate(self._slots) if slot is None]
    read, batch = self._pack(waiting[: len(free)])
    # Padded to the number of slots, so that shapes do not change.
    count = len(self._slots)
    last, rows_P = np.zeros((2, count), np.int32)
    for n, (slot, row, start) in enumerate(read):
      last[n], rows_P[n] = start + len(slot.prompt) - 1, row
    slots = [slot for slot, *_ in read]
    draws, asked = _settings([*slots, *[None] * (count - len(slots))])
    first, kept = self._programs.prefill(
      self._params, batch, last, rows_P, draws, asked
    )
    for n, (slot, row, start) in zip(free, read, strict=False):
      self._cache = self._programs.insert(self._cache, kept, n, row, start)
      self._slots[n] = slot
    # Copied only now, so that the host does not wait before the insertions.
    tokens, predicted = _on_host(first)
    for n, slot in enumerate(slots):
      slot.add(tokens[n : n + 1], [x[n : n + 1] for x in predicted])
    # Compares objects: equal prompts may wait.
    done = set(map(id, slots))
    return [slot for slot in waiting if id(slot) not in done]

  def _pack(self, chosen: Sequence[Continuation]):
    """Packs prompts; returns (slot, row, its first token) of each, and rows."""
    lengths = np.array([len(slot.prompt) for slot in chosen])
    capacity = packing.Capacity(self._width, 1, _MAX_SEGMENTS)
    rows = packing.pack(lengths, np.zeros(len(chosen), int), capacity)
    rows = rows[: self._row_counts[-1]]
    count = next(n for n in self._row_counts if n >= len(rows))
    batch = packing.empty_batch(count, capacity)
    read = []
    for row, items in enumerate(rows):
      members = [chosen[item] for item in items]
      packing.fill_row(
        batch, row, [packing.Example(slot.prompt, ()) for slot in members]
      )
      start = 0
      for slot in members:
        read.append((slot, row, start))
        start += len(slot.prompt)
    return read, batch

  def extend(self) -> None:
    """Adds tokens to the answer in every slot."""
    names = ('token', 'position', 'made', 'limit')
    rows = np.zeros((len(names), len(self._slots)), np.int32)
    for n, slot in enumerate(self._slots):
      if slot is not None:
        made = len(slot.answer)
        position = len(slot.prompt) + made - 1
        rows[:, n] = slot.answer[-1], position, made, slot.limit
    state: dict[str, Any] = dict(zip(names, rows, strict=True))
    state['active'] = np.array([slot is not None for slot in self._slots])
    state['draws'], state['asked'] = _settings(self._slots)
    self._cache, chosen = self._programs.advance(
      self._params, self._cache, state
    )
    tokens, predicted = _on_host(chosen)
    for n, slot in enumerate(self._slots):
      if slot is not None:
        slot.add(tokens[:, n], [x[:, n] for x in predicted])

  def finished(self) -> list[Continuation]:
    """Empties the slots whose answers are whole, and returns these."""
    found = []
    for n, slot in enumerate(self._slots):
      if slot is not None and slot.finish(self._programs.ends):
        self._slots[n] = None
        found.append(slot)
    return found


def _settings(slots: Sequence[Continuation | None]) -> tuple[Draws, np.ndarray]:
  """Returns how the slots draw, and which ask for alternatives."""
  draws = Draws.of(
    [slot and slot.sampling for slot in slots],
    [slot.number if slot else 0 for slot in slots],
  )
  return draws, np.array([bool(slot and slot.asked) for slot in slots])


def _on_host(chosen) -> tuple[np.ndarray, list[np.ndarray]]:
  return np.asarray(chosen.tokens), [np.asarray(x) for x in chosen.predicted]
