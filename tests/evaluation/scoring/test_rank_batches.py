"""Batches have few shapes and little padding."""

from flan_jax.batches.packing import Example
from flan_jax.evaluation.scoring import rank_batches
from tests.evaluation.stub_models import tiny_config

_CONFIG = tiny_config()


def test_no_row_is_longer_than_allowed():
  options = tuple([n, *[4] * 59] for n in range(9))
  examples = [Example([3] * 100, options)] * 7
  groups = rank_batches.groups_of(examples, _CONFIG, longest=256)
  assert {group.capacity.tokens for group in groups} == {256}
  items = [item for group in groups for item in group.items]
  assert sum(len(item.example.targets) for item in items) == 63
  # Except if a prompt needs it.
  groups = rank_batches.groups_of([Example([3] * 300, ([4],))], _CONFIG, 256)
  assert [group.capacity.tokens for group in groups] == [512]


def test_accelerators_compile_for_few_shapes():
  lengths = [250] * 200 + [1000] * 20
  # They share no first token.
  examples = [Example([i] * n, ([4], [5])) for i, n in enumerate(lengths)]
  numbers = {}
  for platform in ('cpu', 'tpu', 'gpu'):
    groups = rank_batches.groups_of(examples, _CONFIG, 1024, platform)
    numbers[platform] = len({group.capacity for group in groups})
  assert numbers == {'cpu': 2, 'tpu': 1, 'gpu': 1}


def test_rows_of_a_group_are_spread_evenly_over_batches():
  examples = [Example([3] * 200, ([4, 5], [6, 7]))] * 9
  groups = rank_batches.groups_of(examples, _CONFIG, longest=1024)
  shapes = [
    batch.arrays['tokens'].shape
    for batch in rank_batches.batches(groups, 1024, shards=1)
  ]
  assert len(set(shapes)) == 1
  rows, length = shapes[0]
  used = sum(example.length for example in examples)
  assert rows * length * len(shapes) < 1.5 * used


def test_what_many_prompts_begin_with_is_read_once():
  begun = [Example([*range(90), n], ([4, 5], [6])) for n in range(3, 23)]
  other = [Example([7, 8], ([9],)), Example([*range(30)], ([9],))]
  groups = rank_batches.groups_of([*begun, *other], _CONFIG, longest=1024)
  assert [group.trunk for group in groups] == [tuple(range(90)), ()]
  found = [
    (item.index, [*group.trunk, *item.example.prompt])
    for group in groups
    for item in group.items
  ]
  wanted = enumerate(example.prompt for example in [*begun, *other])
  assert sorted(found) == list(wanted)
  (first, *_) = rank_batches.batches(groups, 1024, shards=1)
  assert first.trunk == groups[0].trunk
  assert first.arrays['positions'][0, :3].tolist() == [90, 91, 90]


def test_batches_after_several_trunks_have_one_shape():
  examples = [
    Example([first] * 80 + [n], ([4, 5], [6]))
    for first, count in ((3, 40), (4, 31), (5, 22))
    for n in range(count)
  ]
  groups = rank_batches.groups_of(examples, _CONFIG, longest=256)
  assert len({group.trunk for group in groups}) == 3
  shapes = {
    batch.arrays['tokens'].shape
    for batch in rank_batches.batches(groups, 512, shards=1)
  }
  assert len(shapes) == 1
