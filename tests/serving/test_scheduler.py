"""The queue is bounded, and no lane can stop another one."""

import threading

import pytest

from flan_jax.serving.api_error import ApiError
from flan_jax.serving.jobs import Job
from flan_jax.serving.scheduler import Scheduler


class _Lane:
  """Delivers 'done' when it may; fails if told."""

  running = 0

  def __init__(self, fails=False):
    self.jobs = []
    self.may = threading.Event()
    self._fails = fails

  def add(self, job):
    self.jobs.append(job)

  def step(self):
    if self._fails:
      raise MemoryError('a lane without memory')
    if self.may.wait(0.001):
      self.jobs.pop(0).deliver('done')

  def fail(self, error):
    while self.jobs:
      self.jobs.pop().deliver(error)


def _jobs(lane, count, found):
  return [Job(lane, found.append) for _ in range(count)]


@pytest.fixture
def scheduler():
  scheduler = Scheduler(lambda job: job.params, 4)
  scheduler.start()
  yield scheduler
  scheduler.stop()


def test_a_full_queue_takes_all_jobs_of_a_request_or_none(scheduler):
  lane, found = _Lane(), []
  scheduler.submit(_jobs(lane, 3, found))
  with pytest.raises(ApiError) as error:
    scheduler.submit(_jobs(lane, 2, found))
  assert error.value.status == 429
  assert error.value.headers['Retry-After']
  scheduler.submit(_jobs(lane, 1, found))
  with pytest.raises(ApiError, match='divide it') as error:
    scheduler.submit(_jobs(lane, 5, found))
  assert error.value.status == 400
  lane.may.set()
  scheduler.stop()
  assert found == ['done'] * 4
  assert scheduler.waiting == 0


def test_a_scheduler_that_ends_finishes_its_jobs_and_refuses_others():
  scheduler = Scheduler(lambda job: job.params, 4)
  scheduler.start()
  lane, found = _Lane(), []
  scheduler.submit(_jobs(lane, 2, found))
  ending = threading.Thread(target=scheduler.stop)
  ending.start()
  while not scheduler._draining:
    pass
  with pytest.raises(ApiError) as error:
    scheduler.submit(_jobs(lane, 1, found))
  assert error.value.status == 503
  assert error.value.headers['Retry-After']
  lane.may.set()
  ending.join()
  assert found == ['done', 'done']


def test_a_lane_that_fails_ends_its_own_requests_only(scheduler, capfd):
  broken, sound = _Lane(fails=True), _Lane()
  failed, found = [], []
  scheduler.submit([*_jobs(broken, 2, failed), *_jobs(sound, 1, found)])
  sound.may.set()
  scheduler.stop()
  assert found == ['done']
  assert [error.status for error in failed] == [500, 500]
  assert 'a lane without memory' in capfd.readouterr().err
  assert 'memory' not in str(failed[0])
