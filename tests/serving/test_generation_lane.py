"""Requests join and leave the slots of a batch while others are answered."""

from flan_jax.evaluation.generation.slot_batch import Continuation
from flan_jax.serving.api_error import ApiError
from flan_jax.serving.generation_lane import GenerationLane
from flan_jax.serving.jobs import Generation
from tests.serving import tiny_server

_SLOTS = 8


def _lane():
  engine, params = tiny_server.engine(), _params()
  return GenerationLane(engine._slots, params, 256, _SLOTS * 256)


def _params():
  return tiny_server.served().checkpoints['first']


def _job(limit, found=None, streamed=False, prompt=(5, 6, 7)):
  found = [] if found is None else found
  slot = Continuation(list(prompt), limit)
  return Generation(_params(), found.append, slot, streamed)


def _run(lane):
  while lane.jobs:
    lane.step()


def test_a_request_joins_while_another_is_answered():
  lane, long, short = _lane(), [], []
  lane.add(_job(100, long))
  for _ in range(3):
    lane.step()
  lane.add(_job(2, short))
  while not short:
    lane.step()
  assert not long and lane.running == 1
  _run(lane)
  assert len(long[0].answer) == 100
  assert long[0].answer[:2] == short[0].answer


def test_more_requests_than_slots_are_all_answered_in_turn():
  lane, order = _lane(), []
  for n in range(3 * _SLOTS):
    job = _job(1 + n % 20)
    job.deliver = lambda piece, n=n: order.append((n, len(piece.answer)))
    lane.add(job)
  _run(lane)
  assert sorted(order) == [(n, 1 + n % 20) for n in range(3 * _SLOTS)]
  # Nobody who came first begins last.
  assert max(n for n, _ in order[:_SLOTS]) < 2 * _SLOTS


def test_a_cancelled_request_frees_its_slot_and_delivers_nothing():
  lane, gone, left = _lane(), [], []
  jobs = [_job(200, gone) for _ in range(_SLOTS)]
  for job in jobs:
    lane.add(job)
  lane.step()
  lane.add(_job(3, left))
  for job in jobs:
    job.cancelled = True
  _run(lane)
  assert (gone, len(left)) == ([], 1)
  lane.step()
  assert lane._batch is None  # Its cache takes no memory.


def test_a_lane_that_failed_works_again():
  lane, failed, found = _lane(), [], []
  lane.add(_job(50, failed))
  lane.step()
  error = ApiError('out of memory', status=500)
  lane.fail(error)
  assert failed == [error] and not lane.jobs
  lane.add(_job(4, found))
  _run(lane)
  assert len(found[0].answer) == 4
