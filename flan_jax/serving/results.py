"""The results of a request's jobs, brought from the scheduler to the loop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
import time

from flan_jax.serving.api_error import ApiError
from flan_jax.serving.jobs import Job, Piece, Result, Scored, cancel
from flan_jax.serving.scheduler import Scheduler


class Results:
  """Results of the jobs of one request, in the order in which they come.

  Used as a context, which cancels the jobs when it is left: the client may have
  gone, or too much time may have passed.
  """

  def __init__(self, seconds: float):
    """Initializes them; `seconds` is the most time that all jobs may take."""
    self._seconds = seconds
    self._deadline = time.monotonic() + seconds
    self._loop = asyncio.get_running_loop()
    self._queue: asyncio.Queue[tuple[int, Result]] = asyncio.Queue()
    self._jobs: list[Job] = []

  def deliver_to(self, index: int) -> Callable[[Result], None]:
    """Returns what any thread may call with results of a job."""

    def deliver(result: Result) -> None:
      self._loop.call_soon_threadsafe(self._queue.put_nowait, (index, result))

    return deliver

  def submit(self, jobs: Sequence[Job], scheduler: Scheduler) -> None:
    """Submits jobs; raises ApiError if the queue has no room for them."""
    scheduler.submit(jobs)
    self._jobs += jobs

  async def __aenter__(self) -> 'Results':
    return self

  async def __aexit__(self, *error) -> None:
    cancel(self._jobs)

  async def each(self) -> AsyncIterator[tuple[int, Piece | Scored]]:
    """Yields (index of the job, result) until every job has finished.

    Raises:
      ApiError: A job failed, or time is up.
    """
    left = len(self._jobs)
    while left:
      try:
        index, result = await asyncio.wait_for(
          self._queue.get(), self._deadline - time.monotonic()
        )
      except TimeoutError as error:
        raise ApiError(
          f'the request took more than {self._seconds:g} seconds',
          code='timeout',
          status=504,
        ) from error
      if isinstance(result, ApiError):
        raise result
      left -= not isinstance(result, Piece) or result.finish is not None
      yield index, result

  async def all(self) -> list[Piece | Scored]:
    """Returns the last result of every job; raises ApiError as `each`."""
    found = {index: result async for index, result in self.each()}
    return [found[index] for index in sorted(found)]
