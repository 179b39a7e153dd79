"""The slots of a batch: prompts join free ones and are continued together."""

from collections import deque
from collections.abc import Sequence
import dataclasses
import itertools
from typing import Any, NamedTuple

import numpy as np

from flan_jax.evaluation.generation.prompt_rows import PromptRows
from flan_jax.evaluation.generation.sampling import Draws, Sampling
from flan_jax.evaluation.generation.slot_programs import (
  NOTHING,
  Firsts,
  SlotPrograms,
)
from flan_jax.evaluation.generation.stopping import Stop, never
from flan_jax.model.attention import Trunk
from flan_jax.model.key_values import KeyValues

# Attention reads as many tokens of all slots as the longest one has, rounded up
# to this number, or to that doubled any number of times.
_LEAST_FILLED = 128


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
    shared: Its first tokens that are read once for all prompts that share
      them; fewer than all.
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
  shared: tuple[int, ...] = ()
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


class _Read(NamedTuple):
  """The first tokens of several prompts, as they were read."""

  tokens: Sequence[int]
  trunk: Trunk | None = None  # None if there are no tokens.


class SlotBatch:
  """A fixed number of slots, each as wide as a prompt with its answer."""

  def __init__(
    self,
    programs: SlotPrograms,
    params: Any,
    width: int,
    slots: int,
    rows: PromptRows,
  ):
    """Initializes empty slots.

    Args:
      programs: Computes on the device.
      params: Parameters of the decoder.
      width: Tokens of a slot.
      slots: Number of slots, a multiple of the programs' shards.
      rows: In which prompts are read.
    """
    self._programs = programs
    self._params = programs.lay_out(params)
    self._width = width
    self._slots: list[Continuation | None] = [None] * slots
    self._rows = rows
    self._cache = programs.empty(slots, width)
    # Prompts that have been read and wait for a slot, with the row and the
    # index where they begin in these keys and values.
    self._read: deque[tuple[Continuation, int, int]] = deque()
    self._kept: KeyValues | None = None
    self._shared = _Read(())
    self._done: list[Continuation] = []  # Answers that never needed a slot.

  @property
  def size(self) -> int:
    """The number of slots."""
    return len(self._slots)

  @property
  def free(self) -> int:
    """The number of free slots."""
    return self._slots.count(None)

  @property
  def running(self) -> int:
    """The number of slots that are not free."""
    return len(self._slots) - self.free

  @property
  def ready(self) -> int:
    """The number of prompts that have been read and wait for a slot."""
    return len(self._read)

  @property
  def active(self) -> list[Continuation]:
    """What has been read and is not finished."""
    read = [slot for slot, *_ in self._read]
    return [slot for slot in self._slots if slot is not None] + read

  def grow(self, slots: int) -> None:
    """Adds free slots, up to a number of `slots`."""
    self._cache = self._programs.grow(self._cache, slots)
    self._slots += [None] * (slots - len(self._slots))

  def drop(self, slot: Continuation) -> None:
    """Frees the slot of an answer that nobody waits for any more."""
    # By identity: equal answers may be in several slots.
    self._slots = [None if other is slot else other for other in self._slots]
    self._read = deque(each for each in self._read if each[0] is not slot)

  def fill(
    self, waiting: Sequence[Continuation], ahead: bool = False
  ) -> list[Continuation]:
    """Reads the next prompts into free slots; returns those still waiting.

    With `ahead`, rows are filled with more prompts than there are free slots.
    These get the next ones.
    """
    if waiting and not self._read:
      waiting = self._read_some(waiting, len(waiting) if ahead else self.free)
    few = max(1, self.size // 8)
    while self._read and self.free:
      free = [n for n, slot in enumerate(self._slots) if slot is None][:few]
      # A slot that does not exist is left out.
      places_3xP = np.full((3, few), [[self.size], [0], [0]], np.int32)
      for n, place in enumerate(free[: len(self._read)]):
        self._slots[place], *where = self._read.popleft()
        places_3xP[:, n] = place, *where
      self._cache = self._programs.insert(
        self._cache, self._kept, self._shared.trunk, places_3xP
      )
    return list(waiting)

  def _read_some(
    self, waiting: Sequence[Continuation], most: int
  ) -> list[Continuation]:
    """Reads prompts that share the same first tokens as the next one."""
    shared = waiting[0].shared
    if shared != self._shared.tokens:
      self._shared = _Read(())  # Frees memory first.
      trunk = self._programs.read_trunk(self._params, shared)
      self._shared = _Read(shared, trunk)
    most = min(most, self.size)
    alike = itertools.takewhile(
      lambda slot: slot.shared == shared, waiting[:most]
    )
    prompts = [slot.prompt[len(shared) :] for slot in alike]
    read, batch = self._rows.pack(prompts, len(shared))
    slots = [waiting[place.prompt] for place in read]
    # Padded to the number of slots, so that shapes do not change.
    last, rows_P = np.zeros((2, self.size), np.int32)
    for n, place in enumerate(read):
      last[n] = place.start + len(prompts[place.prompt]) - 1
      rows_P[n] = place.row
    settings = _settings([*slots, *[None] * (self.size - len(slots))])
    first, self._kept = self._programs.prefill(
      self._params,
      self._width,
      batch,
      Firsts(last, rows_P, *settings),
      self._shared.trunk,
    )
    tokens, predicted = _on_host(first)
    for n, (slot, place) in enumerate(zip(slots, read, strict=True)):
      slot.add(tokens[n : n + 1], [x[n : n + 1] for x in predicted])
      if slot.finish(self._programs.ends):
        self._done.append(slot)
      else:
        self._read.append((slot, place.row, place.start))
    # Compares objects: equal prompts may wait.
    done = set(map(id, slots))
    return [slot for slot in waiting if id(slot) not in done]

  def extend(self, wake: int = 1) -> None:
    """Adds tokens to the answer in every slot, until `wake` have ended."""
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
    longest, length = int(state['position'].max()), _LEAST_FILLED
    while length < longest:
      length *= 2
    self._cache, chosen = self._programs.advance(
      self._params, min(length, self._width), self._cache, state, wake
    )
    tokens, predicted = _on_host(chosen)
    for n, slot in enumerate(self._slots):
      if slot is not None:
        slot.add(tokens[:, n], [x[:, n] for x in predicted])

  def finished(self) -> list[Continuation]:
    """Empties the slots whose answers are whole, and returns these."""
    found, self._done = self._done, []
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
