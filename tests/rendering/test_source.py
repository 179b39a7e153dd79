"""A source reads the rows of each split, with ids, groups and seed."""

import dataclasses

import tensorflow as tf

from flan_jax.definitions import registry
from flan_jax.definitions.dataset import on_training_rows
from flan_jax.rendering.source import SplitSource

registry.load()


def _part(name='rte', **changes):
  return dataclasses.replace(registry.find_part(name)[1], **changes)


def _rows(source, split, **kwargs):
  rows = source.get_dataset(split, shuffle=False, **kwargs)
  return list(rows.as_numpy_iterator())


def test_splits_share_no_row_and_no_group(mini_data):
  source = SplitSource(_part(), mini_data)
  rows = {split: _rows(source, split) for split in source.slices}
  assert set(rows) == {'train', 'validation', 'test'}
  for key in ('id', 'group'):
    values = [{row[key] for row in found} for found in rows.values()]
    assert len(set.union(*values)) == sum(map(len, values))
  for split, found in rows.items():
    assert len(found) == source.num_input_examples(split)
    assert {bool(row['trains']) for row in found} == {split == 'train'}


def test_training_rows_that_are_evaluated_are_reported(mini_data):
  part = _part()
  source = SplitSource(on_training_rows(part), mini_data)
  (found,) = source.slices.values()
  assert found.reason.startswith('the training rows')
  tested = {row['id'] for row in _rows(source, 'test')}
  declared = SplitSource(part, mini_data)
  assert tested >= {row['id'] for row in _rows(declared, 'train')}
  assert not tested & {row['id'] for row in _rows(declared, 'test')}


def test_a_slice_is_read_in_order_and_viewed(mini_data):
  source = SplitSource(_part(), mini_data)
  whole = source.slices['test']

  def view(row):
    return {'id': row['id'], 'group': row['group']}

  def ids(rows):
    read = source.read_slice(rows, view).as_numpy_iterator()
    return [row['id'] for row in read]

  middle = whole.start + 3
  halves = [
    ids(dataclasses.replace(whole, stop=middle)),
    ids(dataclasses.replace(whole, start=middle)),
  ]
  assert len(halves[0]) == 3
  assert sum(halves, []) == ids(whole)


def test_the_seed_reaches_every_row(mini_data):
  source = SplitSource(_part(), mini_data)
  assert {row['seed'] for row in _rows(source, 'test', seed=7)} == {7}
  assert {row['seed'] for row in _rows(source, 'test')} == {0}


def test_rows_that_are_not_kept_are_dropped(mini_data):
  def long(row):
    # Python's control flow is allowed in functions of datasets.
    if tf.strings.length(row['premise']) > 150:
      return True
    return False

  every = _rows(SplitSource(_part(), mini_data), 'train')
  kept = _rows(SplitSource(_part(keep=long, version='x'), mini_data), 'train')
  assert {row['id'] for row in kept} == {
    row['id'] for row in every if len(row['premise']) > 150
  }
  assert 0 < len(kept) < len(every)


def test_a_part_is_traced_once_for_all_splits(mini_data):
  traced = []

  def premise(row):
    traced.append(row)
    return row['premise']

  fields = {**_part().fields, 'premise': premise}
  part = _part(fields=fields, group_key=('hypothesis',), version='y')
  source = SplitSource(part, mini_data)
  for split in source.slices:
    assert _rows(source, split)
  assert len(traced) == 1
