"""Batches have few shapes and little padding."""

from flan_jax.batches.packing import Example
from flan_jax.evaluation.scoring import rank_batches
from tests.evaluation.stub_models import tiny_config

_CONFIG = tiny_config()


def test_no_row_is_longer_than_allowed():
  examples = [Example([3] * 100, tuple([4] * 60 for _ in range(9)))] * 7
  groups = rank_batches.groups_of(examples, _CONFIG, longest=256)
  assert {group.capacity.tokens for group in groups} == {256}
  items = [item for group in groups for item in group.items]
  assert sum(len(item.example.targets) for item in items) == 63
  # Except if a prompt needs it.
  groups = rank_batches.groups_of([Example([3] * 300, ([4],))], _CONFIG, 256)
  assert [group.capacity.tokens for group in groups] == [512]


def test_rows_of_a_group_are_spread_evenly_over_batches():
  examples = [Example([3] * 200, ([4, 5], [6, 7]))] * 9
  groups = rank_batches.groups_of(examples, _CONFIG, longest=1024)
  shapes = [
    batch['tokens'].shape
    for batch, _ in rank_batches.batches(groups, 1024, shards=1)
  ]
  assert len(set(shapes)) == 1
  rows, length = shapes[0]
  used = sum(example.length for example in examples)
  assert rows * length * len(shapes) < 1.5 * used
