"""Continues the prompts of many clients in the slots of one batch."""

from collections import deque
from typing import Any

from flan_jax.evaluation.generation.prompt_rows import PromptRows
from flan_jax.evaluation.generation.slot_batch import SlotBatch
from flan_jax.evaluation.generation.slot_programs import SlotPrograms
from flan_jax.serving.api_error import ApiError
from flan_jax.serving.jobs import Generation, Piece

# Slots, on each shard, of a batch that few requests share. Idle slots cost
# time too.
_FEW_SLOTS = 4


class GenerationLane:
  """The jobs of one model that need slots of one width."""

  def __init__(
    self, programs: SlotPrograms, params: Any, width: int, tokens: int
  ):
    """Initializes the lane; its cache exists only while it has work.

    Args:
      programs: Computes on the device.
      params: Parameters of the model.
      width: Tokens of a slot.
      tokens: Tokens that all slots hold together.
    """
    shards = programs.shards
    self._programs = programs
    self._params = params
    self._width = width
    self._most = max(1, tokens // width // shards) * shards
    # One prompt costs one row, many are read together.
    self._rows = PromptRows.up_to(width, self._most // shards, shards)
    self._waiting: deque[Generation] = deque()
    self._running: dict[int, Generation] = {}  # By identity of the slot.
    self._batch: SlotBatch | None = None

  @property
  def jobs(self) -> list[Generation]:
    """The unfinished jobs."""
    return [*self._running.values(), *self._waiting]

  @property
  def running(self) -> int:
    return len(self._running)

  def add(self, job: Generation) -> None:
    """Adds a job to the end of the queue."""
    self._waiting.append(job)

  def step(self) -> None:
    """Lets jobs into free slots, or adds a few tokens to all answers."""
    self._drop_cancelled()
    if not self.jobs:
      # Frees memory that another width may need.
      self._batch = None
      return
    self._make_room()
    if self._waiting and self._batch.free:
      self._fill()
    else:
      self._batch.extend()
    self._deliver()

  def fail(self, error: ApiError) -> None:
    """Ends every job with an error."""
    for job in self.jobs:
      job.deliver(error)
    self._waiting.clear()
    self._running.clear()
    self._batch = None

  def _make_room(self) -> None:
    """Makes a batch with few slots or, if more requests come, with most."""
    few = min(_FEW_SLOTS * self._programs.shards, self._most)
    many = len(self.jobs) > few
    if self._batch is None:
      slots = self._most if many else few
      self._batch = SlotBatch(
        self._programs, self._params, self._width, slots, self._rows
      )
    elif many and self._batch.size < self._most:
      self._batch.grow(self._most)

  def _drop_cancelled(self) -> None:
    for key, job in list(self._running.items()):
      if job.cancelled:
        self._batch.drop(job.slot)
        del self._running[key]
    self._waiting = deque(job for job in self._waiting if not job.cancelled)

  def _fill(self) -> None:
    by_slot = {id(job.slot): job for job in self._waiting}
    left = self._batch.fill([job.slot for job in self._waiting])
    left = set(map(id, left))
    self._running |= {k: job for k, job in by_slot.items() if k not in left}
    self._waiting = deque(j for j in self._waiting if id(j.slot) in left)

  def _deliver(self) -> None:
    finished = {id(slot) for slot in self._batch.finished()}
    for key, job in list(self._running.items()):
      done = key in finished
      if done:
        del self._running[key]
      if done or job.streamed:
        slot, finish = job.slot, None
        if done:
          finish = 'stop' if slot.ended else 'length'
        made = tuple(slot.answer), tuple(slot.predicted)
        job.deliver(Piece(*made, finish, slot.end))
