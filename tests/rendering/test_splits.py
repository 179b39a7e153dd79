"""Small copies serve every split without sharing a row between splits."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st
import pytest

from flan_jax.rendering import splits
from flan_jax.rendering.splits import resolve


def _part(name='rte', source='rte:1', rows=None, **splits):
  return SimpleNamespace(
    name=name,
    source=source,
    splits=splits,
    rows=rows or {},
    on_training_rows=False,
  )


_CARVED = {
  'train': 'train[:-200]',
  'validation': 'train[-200:]',
  'test': 'validation',
}


def test_a_full_copy_is_cut_as_declared():
  rows = {'train': 2290, 'validation': 200, 'test': 277}
  found = resolve(
    [_part(rows=rows, **_CARVED)], {'train': 2490, 'validation': 277}
  )
  assert found['rte', 'train'].spec == 'train[0:2290]'
  assert found['rte', 'validation'].spec == 'train[2290:2490]'
  assert found['rte', 'test'].spec == 'validation[0:277]'
  assert not any(s.reason for s in found.values())


def test_an_incomplete_split_is_reported_as_adapted():
  rows = {'train': 2290, 'validation': 200, 'test': 277}
  found = resolve(
    [_part(rows=rows, **_CARVED)], {'train': 2490, 'validation': 75}
  )
  assert found['rte', 'test'].reason == '75 rows instead of 277'


def test_a_small_split_is_divided():
  found = resolve([_part(**_CARVED)], {'train': 125, 'validation': 75})
  assert found['rte', 'train'].splits == ('train', 'validation')
  assert found['rte', 'validation'].splits == ('train', 'validation')
  assert found['rte', 'test'].splits == ()
  assert 'divided' in found['rte', 'train'].reason


def test_a_missing_split_takes_rows_from_the_largest():
  found = resolve([_part(**_CARVED)], {'test': 999, 'train': 200})
  for split in ('train', 'validation', 'test'):
    assert found['rte', split].tfds_split == 'train'
    assert found['rte', split].splits == ('train', 'validation', 'test')


def test_undeclared_splits_are_never_used():
  with pytest.raises(splits.MissingDataError, match='rte:1'):
    resolve([_part(**_CARVED)], {'unsupervised': 50_000})


def test_parts_that_share_a_source_are_divided_alike():
  parts = [
    _part('mnli', train='train[:30000]', validation='train[-200:]'),
    _part('matched', validation='train[-200:]', test='validation_matched'),
  ]
  found = resolve(parts, {'train': 398, 'validation_matched': 1})
  assert found['mnli', 'validation'] == found['matched', 'validation']
  assert found['matched', 'test'].spec == 'validation_matched[0:1]'
  full = resolve(parts, {'train': 392_702, 'validation_matched': 9815})
  assert full['mnli', 'train'].spec == 'train[0:30000]'
  assert full['matched', 'validation'].spec == 'train[392502:392702]'


def test_splits_may_declare_the_same_slice():
  part = _part(train='train', validation='train', test='train')
  found = resolve([part], {'train': 64})
  assert {s.spec for s in found.values()} == {'train[0:64]'}
  assert not any(s.splits for s in found.values())


@given(
  st.lists(st.integers(0, 2**63 - 2), min_size=3, max_size=80),
  st.sampled_from(
    [
      ('train', 'validation'),
      ('train', 'validation', 'test'),
      ('validation', 'test'),
    ]
  ),
)
def test_division_is_a_partition_that_starves_no_split(hashes, served):
  ranges = splits.divide(hashes, served)
  taken = {
    split: [h for h in hashes if low <= h < high]
    for split, (low, high) in ranges.items()
  }
  assert sorted(sum(taken.values(), [])) == sorted(hashes)
  assert not set.intersection(*map(set, taken.values()))
  if len(set(hashes)) >= len(served):
    assert all(taken.values())


def test_division_gives_a_fifth_to_validation():
  hashes = list(range(0, 4000, 4))
  ranges = splits.divide(hashes, ('train', 'validation'))
  low, high = ranges['validation']
  assert sum(low <= h < high for h in hashes) == pytest.approx(200, abs=1)
  ranges = splits.divide(hashes, ('train', 'validation', 'test'))
  low, high = ranges['train']
  assert sum(low <= h < high for h in hashes) == pytest.approx(600, abs=1)


def test_a_validation_slice_larger_than_the_training_slice_is_a_division():
  found = resolve([_part(**_CARVED)], {'train': 300, 'validation': 75})
  assert found['rte', 'validation'].splits == ('train', 'validation')
  enough = resolve([_part(**_CARVED)], {'train': 500, 'validation': 75})
  assert enough['rte', 'train'].spec == 'train[0:300]'


def test_a_declared_slice_must_be_one():
  with pytest.raises(ValueError, match='not a slice'):
    resolve([_part(train='train[')], {'train': 3})
