"""Small copies serve every role without sharing a row between roles."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st
import pytest

from flan_jax.rendering import splits
from flan_jax.rendering.splits import resolve


def _part(name='rte', source='rte:1', rows=None, **splits):
  return SimpleNamespace(
    name=name, source=source, splits=splits, rows=rows or {}
  )


_CARVED = {'train': 'train[:-200]', 'dev': 'train[-200:]', 'test': 'validation'}


def test_full_copy_is_cut_as_declared():
  rows = {'train': 2290, 'dev': 200, 'test': 277}
  found = resolve(
    [_part(rows=rows, **_CARVED)], {'train': 2490, 'validation': 277}
  )
  assert found['rte', 'train'].spec == 'train[0:2290]'
  assert found['rte', 'dev'].spec == 'train[2290:2490]'
  assert found['rte', 'test'].spec == 'validation[0:277]'
  assert not any(piece.reason for piece in found.values())


def test_incomplete_split_is_reported_as_adapted():
  rows = {'train': 2290, 'dev': 200, 'test': 277}
  found = resolve(
    [_part(rows=rows, **_CARVED)], {'train': 2490, 'validation': 75}
  )
  assert found['rte', 'test'].reason == '75 rows in place of 277'


def test_carve_out_of_a_small_split_becomes_a_division():
  found = resolve([_part(**_CARVED)], {'train': 125, 'validation': 75})
  assert found['rte', 'train'].roles == ('train', 'dev')
  assert found['rte', 'dev'].roles == ('train', 'dev')
  assert found['rte', 'test'].roles == ()
  assert 'divided' in found['rte', 'train'].reason


def test_missing_splits_borrow_from_the_largest():
  found = resolve([_part(**_CARVED)], {'test': 999, 'train': 200})
  for role in ('train', 'dev', 'test'):
    assert found['rte', role].split == 'train'
    assert found['rte', role].roles == ('train', 'dev', 'test')


def test_undeclared_splits_are_never_used():
  with pytest.raises(splits.MissingDataError, match='rte:1'):
    resolve([_part(**_CARVED)], {'unsupervised': 50_000})


def test_parts_that_share_a_source_are_divided_alike():
  parts = [
    _part('mnli', train='train[:30000]', dev='train[-200:]'),
    _part('matched', dev='train[-200:]', test='validation_matched'),
  ]
  found = resolve(parts, {'train': 398, 'validation_matched': 1})
  assert found['mnli', 'dev'] == found['matched', 'dev']
  assert found['matched', 'test'].spec == 'validation_matched[0:1]'
  full = resolve(parts, {'train': 392_702, 'validation_matched': 9815})
  assert full['mnli', 'train'].spec == 'train[0:30000]'
  assert full['matched', 'dev'].spec == 'train[392502:392702]'


def test_identical_declared_slices_are_meant():
  part = _part(train='train', dev='train', test='train')
  found = resolve([part], {'train': 64})
  assert {piece.spec for piece in found.values()} == {'train[0:64]'}
  assert not any(piece.roles for piece in found.values())


@given(
  st.lists(st.integers(0, 2**63 - 2), min_size=3, max_size=80),
  st.sampled_from(
    [('train', 'dev'), ('train', 'dev', 'test'), ('dev', 'test')]
  ),
)
def test_division_is_a_partition_that_starves_no_role(hashes, served):
  ranges = splits.divide(hashes, served)
  taken = {
    role: [h for h in hashes if low <= h < high]
    for role, (low, high) in ranges.items()
  }
  assert sorted(sum(taken.values(), [])) == sorted(hashes)
  assert not set.intersection(*map(set, taken.values()))
  if len(set(hashes)) >= len(served):
    assert all(taken.values())


def test_division_gives_a_fifth_to_dev():
  hashes = list(range(0, 4000, 4))
  ranges = splits.divide(hashes, ('train', 'dev'))
  low, high = ranges['dev']
  assert sum(low <= h < high for h in hashes) == pytest.approx(200, abs=1)
  ranges = splits.divide(hashes, ('train', 'dev', 'test'))
  low, high = ranges['train']
  assert sum(low <= h < high for h in hashes) == pytest.approx(600, abs=1)


def test_a_split_of_too_few_rows_keeps_its_first_role_only():
  # One training row: nothing to carve development rows out of.
  parts = [_part(**_CARVED)]
  found = resolve(parts, {'train': 1, 'validation': 99})
  assert found['rte', 'train'].spec == 'train[0:1]'
  dev, test = found['rte', 'dev'], found['rte', 'test']
  assert dev.split == test.split == 'validation'
  assert dev.roles == test.roles == ('dev', 'test')
  alone = resolve(parts, {'train': 1})
  assert {piece.split for piece in alone.values()} == {'train'}
