"""What counts as held out, for declared mixtures and for any other pair."""

import json

import pytest

from flan_jax.definitions import names, registry
from flan_jax.definitions.held_out import History, TrainedOn, headline
from flan_jax.definitions.registry import Member, Mixture
from flan_jax.errors import ConfigError
from tests.inspection.test_holdout_leakage import declare, own_names

__all__ = ['own_names']  # A fixture.

registry.load()


def trained(*mixtures):
  plans = map(names.resolve, mixtures)
  return History().then(*(TrainedOn.of(plan) for plan in plans))


def found(training, evaluation):
  return {
    breach['trained']: breach['reason']
    for breach in trained(training).breaches([names.resolve(evaluation)])
  }


def test_every_hold_out_holds_out_its_evaluations_and_their_tasks():
  evaluations = [m for m in registry.mixtures() if m.purpose == 'eval']
  for mixture in registry.mixtures():
    if mixture.purpose != 'train' or mixture.held_out is None:
      continue
    for other in evaluations:
      if other.held_out == mixture.held_out:
        assert not found(mixture.name, other.name), mixture.name
  for task in ('rte', 'mnli_matched', 'cb.5shot'):
    assert not found('flan_holdout_nli', task)
  for task in ('coqa', 'wic', 'fix_punct'):
    assert not found('flan_holdout_misc', task)
  assert not found('flan_holdout_fix_punct', 'fix_punct')


def test_a_users_mixture_is_checked_against_any_evaluation():
  members = tuple(map(Member, ('sst2', 'rte', 'glue_mrpc', 'mnli')))
  registry.register_mixture(Mixture('mine', members))
  assert found('mine', 'flan_eval_nli') == {
    'rte': 'is evaluated',
    'glue_mrpc': 'is in the cluster paraphrase, which nli excludes',
    'mnli': 'is a part of mnli, which is evaluated',
  }
  # A task alone is held out as the mixture that evaluates it.
  assert set(found('mine', 'cb')) == {'rte', 'glue_mrpc', 'mnli'}
  assert not found('mine', 'flan_eval_translation')
  assert found('quac', 'coqa') == {
    'quac': 'is held out with coqa, which is evaluated'
  }
  assert not found('trec', 'coqa')


def test_rows_of_the_same_source_are_not_held_out():
  source = registry.find_part('rte')[1].source
  declare('copy', 'mine', source=source)
  assert found('copy', 'flan_eval_nli') == {
    'copy': 'has the source of rte, which is evaluated'
  }
  # FLAN makes both of other rows of one source.
  assert not found('true_case', 'fix_punct')


def test_a_users_cluster_is_held_out_as_a_whole():
  declare('old_tickets', 'tickets')
  declare('new_tickets', 'tickets')
  assert (
    'like new_tickets' in found('old_tickets', 'new_tickets')['old_tickets']
  )


def test_a_history_survives_its_record_and_names_all_mixtures():
  history = trained('sst2', 'rte')
  record = json.loads(json.dumps({'trained_on': history.as_json()}))
  assert History.recorded(record) == history
  assert (history.last, history.before_last().last) == ('rte', 'sst2')
  plan = names.resolve('flan_eval_nli')
  assert headline(history.breaches([plan])) == 'not held out: rte'
  assert history.before_last().breaches([plan]) == []


def test_what_is_not_recorded_is_not_called_held_out():
  plan = names.resolve('flan_eval_nli')
  old = History.recorded({'model': {}})
  assert old.breaches([plan]) is None
  assert 'does not record' in headline(old.breaches([plan]))
  rte = TrainedOn.of(names.resolve('rte'))
  assert headline(old.then(rte).breaches([plan])) == 'not held out: rte'
  assert History.recorded({'imported': {}}).breaches([plan]) == []
  for history in (old, trained('rte')):
    with pytest.raises(ConfigError, match='REQUIRE_HELD_OUT'):
      history.require_held_out([plan])
  trained('flan_holdout_nli').require_held_out([plan])


def test_a_long_line_is_cut():
  breaches = [{'trained': f'd{n}', 'reason': ''} for n in range(11)]
  assert headline(breaches).endswith('d7, 3 more')
