"""Parts are opened from a cache, or refused before anything is asked."""

import dataclasses
from types import SimpleNamespace

import pytest

from flan_jax.cache.framing import Framing
from flan_jax.definitions import names, registry
from flan_jax.definitions.names import resolve
from flan_jax.errors import ConfigError
from flan_jax.evaluation.eval_parts import eval_parts

registry.load()


class _Store:
  """Has every split, with as many rows as told."""

  framing = Framing((), (1,), (1,), ())

  def __init__(self, rows=3):
    self._rows = rows

  def available(self, members, split):
    return members

  def find(self, key):
    return SimpleNamespace(name=key.part.name, key=key, num_rows=self._rows)


def test_test_and_validation_splits_are_opened():
  (part,) = eval_parts(_Store(), resolve('rte.t3'))
  assert (part.test.key.split, part.validation.key.split) == (
    'test',
    'validation',
  )
  assert part.templates == (3,)
  assert part.splits == (part.test, part.validation)


def test_a_few_shot_part_without_training_rows_is_null():
  plan = names.resolve('flan_eval_coreference.3shot')
  (member,) = (m for m in plan.members if m.part.name == 'wsc273')
  (part,) = eval_parts(_Store(), dataclasses.replace(plan, members=(member,)))
  assert 'no training rows' in part.null
  assert part.splits == ()


def _plan(**changes):
  """The plan of `rte` with changes to its part."""
  plan = names.resolve('rte')
  (member,) = plan.members
  member = dataclasses.replace(
    member, part=dataclasses.replace(member.part, **changes)
  )
  return dataclasses.replace(plan, members=(member,))


def test_an_unknown_metric_is_refused():
  with pytest.raises(ConfigError, match="unknown metric 'acuracy'"):
    eval_parts(_Store(), _plan(metrics=('acuracy',)))


def test_a_part_without_test_rows_is_refused():
  splits = {'train': names.resolve('rte').members[0].part.splits['train']}
  with pytest.raises(ConfigError, match='rte has no test split'):
    eval_parts(_Store(), _plan(splits=splits))
  with pytest.raises(ConfigError, match='no test rows of rte are left'):
    eval_parts(_Store(rows=0), resolve('rte'))
