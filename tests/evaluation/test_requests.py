"""Requests are the renderings that a setting asks for, the same every time."""

import pytest

from flan_jax.cache.framing import Framing
from flan_jax.evaluation.requests import requests
from tests.evaluation.splits import request_split

_FRAMING = Framing((), (1,), (1,), ())


def _split(rows=20, **more):
  return request_split([{'correct': [0]}] * rows, templates=3, **more)


def test_templates_and_rows_are_selected():
  asked = requests(_split(), _FRAMING, templates=[0, 2], max_rows=5)
  assert len(asked) == 10
  assert {request.template for request in asked} == {0, 2}
  # Every run picks the same rows, in the split's order.
  ids = [request.row['id'] for request in asked]
  again = requests(_split(), _FRAMING, templates=[2], max_rows=5)
  assert ids[::2] == [request.row['id'] for request in again]
  assert ids[::2] != [f'row{i}' for i in range(5)]


def test_a_target_that_was_cut_has_no_end_token():
  (request, *_) = requests(_split(), _FRAMING)
  assert request.example.targets == ([10, 1], [11, 1])
  assert request.ended == (True, True)
  (request, *_) = requests(_split(targets=1), _FRAMING)
  assert request.ended == (False, False)
  assert [len(target) for target in request.example.targets] == [1, 1]


@pytest.mark.parametrize(
  'text, options', [(' YES.', [0]), ('no', [1]), ('yes no', []), ('', [])]
)
def test_an_option_is_recognized_up_to_case_spaces_and_full_stop(text, options):
  (request, *_) = requests(_split(), _FRAMING)
  assert request.options_written(text) == options


def test_options_of_the_row_are_used_without_classes():
  row = {'correct': [1], 'options': ['a horse', 'a goose']}
  (request,) = requests(request_split([row], choices=None), _FRAMING)
  assert request.ranked
  assert request.options_written('a goose') == [1]


def test_a_record_identifies_prompt_and_target():
  first, other, *_ = requests(_split(), _FRAMING)
  one, two = (r.about(r.example.targets[0]) for r in (first, other))
  assert (one['id'], one['template'], one['shots']) == ('row0', 0, 0)
  assert one['prompt_hash'] != two['prompt_hash']
  assert one['target_hash'] == two['target_hash']
