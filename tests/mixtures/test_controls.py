"""The controls keep templates and datasets of the hold-outs apart."""

from flan_jax.mixtures import controls
from flan_jax.tasks import CLUSTERS
import pytest

from flan_jax.definitions import names, registry
from flan_jax.definitions.dataset import evaluated
from flan_jax.inspection import holdout_leakage

registry.load()

_VARIANTS = [(c, s) for c in CLUSTERS for s in ('', '_strict')]


def _members(mixture):
  return {m.part.name: m for m in names.resolve(mixture).members}


def _datasets(mixture):
  return {m.dataset.name for m in names.resolve(mixture).members}


@pytest.mark.parametrize('cluster, suffix', _VARIANTS)
def test_every_part_keeps_its_last_templates_out_of_training(cluster, suffix):
  trained = _members(f'flan_controls_{cluster}{suffix}')
  for member in trained.values():
    every = range(len(member.part.templates))
    ordinary = evaluated(member.part.templates)
    left_out = [k for k in every if k not in member.templates]
    if member.part.cluster == 'translation':
      # Each direction keeps three templates and leaves out two.
      groups = [member.part.templates[k].group for k in left_out]
      assert len(left_out) == 4 and len(set(groups)) == 2
    else:
      assert left_out == list(ordinary[-3:])
    assert len(set(ordinary) & set(member.templates)) >= 5


@pytest.mark.parametrize('cluster, suffix', _VARIANTS)
def test_evaluated_templates_are_those_that_training_never_shows(
  cluster, suffix
):
  trained = _members(f'flan_controls_{cluster}{suffix}')
  tested = _members(f'flan_controls_{cluster}{suffix}_templates')
  # A part of MNLI is trained on, its two others are evaluated.
  pairs = {name: name for name in set(trained) & set(tested)}
  if 'mnli' in trained:
    pairs |= {'mnli_matched': 'mnli', 'mnli_mismatched': 'mnli'}
  assert set(tested) == set(pairs)
  # All that are trained on and have options.
  ranked = {name for name, m in trained.items() if m.part.answers is None}
  assert ranked == set(pairs.values())
  for name, seen in pairs.items():
    part, shown = tested[name].part, set(trained[seen].templates)
    assert part.evaluates and part.templates == trained[seen].part.templates
    assert not shown & set(tested[name].templates)
    assert shown | set(tested[name].templates) == set(
      range(len(part.templates))
    )
    assert not any(part.templates[k].inverted for k in tested[name].templates)


@pytest.mark.parametrize('cluster, suffix', _VARIANTS)
def test_only_some_datasets_of_seen_clusters_are_trained_on(cluster, suffix):
  trained = _datasets(f'flan_controls_{cluster}{suffix}')
  holdout = _datasets(f'flan_holdout_{cluster}{suffix}')
  assert trained <= holdout
  left_out = {'anli', 'cb', 'rte', 'wnli', 'sentiment140'}
  assert holdout - trained == holdout & left_out


@pytest.mark.parametrize('cluster', CLUSTERS)
def test_unseen_datasets_are_of_clusters_that_are_trained_on(cluster):
  unseen = _datasets(f'flan_controls_{cluster}_datasets')
  assert unseen == {
    'nli': {'sentiment140'},
    'paraphrase': {'sentiment140'},
    'sentiment': {'rte', 'cb'},
  }.get(cluster, {'rte', 'cb', 'sentiment140'})
  for suffix in ('', '_strict'):
    name = f'flan_controls_{cluster}{suffix}'
    assert not unseen & _datasets(name)
    seen = {m.part.cluster for m in names.resolve(name).members}
    clusters = {
      m.part.cluster
      for m in names.resolve(f'flan_controls_{cluster}_datasets').members
    }
    assert clusters <= seen


def test_a_completion_of_wsc_does_not_count_as_a_seen_dataset():
  # WSC273 has templates of its own, which no training rows have.
  assert 'wsc' in _members('flan_controls_nli_templates')
  assert 'wsc273' not in _members('flan_controls_nli_templates')


@pytest.mark.parametrize('cluster', ['nli', 'sentiment'])
def test_the_leak_check_finds_the_held_out_cluster(cluster):
  plan = names.resolve(f'flan_controls_{cluster}')
  assert plan.excluded == names.resolve(f'flan_holdout_{cluster}').excluded
  found = holdout_leakage.check(plan, data_dir='/nonexistent')
  assert found['rule_verdict'] == 'passed'
  assert found['evaluations'] == [f'flan_eval_{cluster}']


@pytest.mark.parametrize(
  'mixture',
  [
    'flan_controls_nli',
    'flan_controls_nli_strict',
    'flan_controls_nli_templates',
    'flan_controls_nli_strict_templates',
    'flan_controls_nli_datasets',
  ],
)
@pytest.mark.parametrize('form', ['plain', 'named'])
def test_formats_are_suffixes(mixture, form):
  members = names.resolve(f'{mixture}.{form}').members
  assert {(m.format, m.templates) for m in members} == {(form, None)}
  assert [m.part.name for m in members] == list(_members(mixture))


def test_shares_of_groups_keep_out_as_many_in_each():
  _, part = registry.find_part('wmt14_enfr')
  out = controls.kept_out(part)
  groups = [part.templates[k].group for k in out]
  assert sorted(groups) == ['en_fr', 'en_fr', 'fr_en', 'fr_en']
