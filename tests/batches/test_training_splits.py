"""Training splits are those of a mixture's members."""

from types import SimpleNamespace

import pytest

from flan_jax.batches.training_splits import training_splits
from flan_jax.definitions import names, registry
from flan_jax.errors import ConfigError

registry.load()


class _Store:
  """Returns the key of a split instead of the split."""

  framing = None

  def __init__(self, missing=()):
    self._missing = missing

  def available(self, members, split):
    assert split == 'train'
    return [m for m in members if m.part.name not in self._missing]

  def find(self, key):
    return SimpleNamespace(key=key)


def test_members_are_opened_with_their_templates():
  plan = names.resolve('flan_holdout_nli')
  keys = [split.key for split in training_splits(_Store(), plan)]
  assert [key.part for key in keys] == [member.part for member in plan.members]
  assert {key.split for key in keys} == {'train'}
  assert [k.templates for k in keys] == [m.templates for m in plan.members]


def test_missing_members_are_left_out():
  plan = names.resolve('flan_holdout_nli')
  first = plan.members[0].part.name
  found = training_splits(_Store(missing=(first,)), plan)
  assert len(found) == len(plan.members) - 1


def test_subset_without_training_split_is_refused():
  with pytest.raises(ConfigError, match='mnli_matched has no training split'):
    training_splits(_Store(), names.resolve('mnli_matched'))
