"""The thread that owns the models: it works on all requests in turn."""

from collections.abc import Callable, Sequence
import threading
import traceback
from typing import Protocol

from flan_jax.serving.api_error import ApiError, busy
from flan_jax.serving.jobs import Job


class Lane(Protocol):
  """Jobs that are worked on together."""

  jobs: Sequence[Job]
  running: int

  def add(self, job: Job) -> None: ...

  def step(self) -> None: ...

  def fail(self, error: ApiError) -> None: ...


class Scheduler:
  """Takes jobs from any thread, and works on them in one of its own.

  Each lane with work takes a step in turn, so that no kind of request waits for
  another kind to end.
  """

  def __init__(self, lane_of: Callable[[Job], Lane], most_waiting: int):
    """Initializes a scheduler that has not started.

    Args:
      lane_of: Returns the lane of a job, called in the scheduler's thread.
      most_waiting: Most jobs that have been taken but not begun.
    """
    self._lane_of = lane_of
    self._most_waiting = most_waiting
    self._changed = threading.Condition()
    self._inbox: list[Job] = []
    self._lanes: list[Lane] = []
    self._waiting = 0  # In lanes; the inbox is counted apart.
    self._running = 0
    self._draining = False
    self._thread = threading.Thread(target=self._run, name='scheduler')

  def start(self) -> None:
    """Starts the thread."""
    self._thread.start()

  def stop(self) -> None:
    """Refuses new jobs, finishes those that were taken, and ends the thread."""
    with self._changed:
      self._draining = True
      self._changed.notify()
    self._thread.join()

  @property
  def waiting(self) -> int:
    """Jobs that have not begun."""
    return len(self._inbox) + self._waiting

  @property
  def running(self) -> int:
    """Answers that are being written."""
    return self._running

  def submit(self, jobs: Sequence[Job]) -> None:
    """Takes all jobs of a request, or none.

    Raises:
      ApiError: The queue is full, or the server is shutting down.
    """
    if len(jobs) > self._most_waiting:
      raise ApiError(
        f'the request needs {len(jobs)} places in a queue of '
        f'{self._most_waiting}: divide it',
        code='too_many_prompts',
      )
    with self._changed:
      if self._draining:
        raise busy('the server is shutting down', 503, 'shutting_down')
      if self.waiting + len(jobs) > self._most_waiting:
        raise busy('too many requests are waiting; try again soon')
      self._inbox += jobs
      self._changed.notify()

  def _run(self) -> None:
    while self._take():
      for lane in [lane for lane in self._lanes if lane.jobs]:
        self._step(lane)
        with self._changed:
          self._running = sum(lane.running for lane in self._lanes)
          unfinished = sum(len(lane.jobs) for lane in self._lanes)
          self._waiting = unfinished - self._running

  def _take(self) -> bool:
    """Moves new jobs to their lanes; returns False if there is no more work."""
    with self._changed:
      while not self._inbox and not any(lane.jobs for lane in self._lanes):
        if self._draining:
          return False
        self._changed.wait()
      jobs, self._inbox = self._inbox, []
      self._waiting += len(jobs)
    for job in jobs:
      lane = self._lane_of(job)
      if lane not in self._lanes:
        self._lanes.append(lane)
      lane.add(job)
    return True

  def _step(self, lane: Lane) -> None:
    try:
      lane.step()
    # A bug, or a device without memory, ends the requests of one lane. The
    # server goes on, and its log has the traceback.
    except Exception:
      traceback.print_exc()
      lane.fail(_internal())


def _internal() -> ApiError:
  message = 'the server failed on this request; its log has the reason'
  return ApiError(message, code='internal_error', status=500)
