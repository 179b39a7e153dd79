"""Numbers of made-up cells, as panels read them."""

import numpy as np
import pytest

from flan_jax.definitions import registry
from flan_jax.evaluation.paper_means import PAPER_MEANS
from flan_jax.studies import panel_values
from tests.studies.cells import cell, part

registry.load()


def test_parts_are_found_by_arm_and_label_with_one_entry_a_seed():
  cells = [
    cell('tuned', {'a': [part('rte', 1.0)], 'b': [part('rte', 2.0)]}),
    cell('tuned', {'a': [part('rte', 3.0), part('cb', None)]}, seed=1),
    cell('base', {'a': [part('rte', 9.0)]}),
    cell('tuned', {'a': [part('wmt14_enfr fr_en', 5.0)]}, 'translation'),
  ]
  found = panel_values.parts_of(cells, 'tuned', 'a')
  means = {name: [p['mean'] for p in parts] for name, parts in found.items()}
  # A part that has no number is left out.
  assert means == {'rte': [1.0, 3.0], 'wmt14_enfr fr_en': [5.0]}
  assert panel_values.parts_of(cells, 'tuned', 'c') == {}


def test_a_mean_is_unknown_if_a_value_is():
  assert panel_values.mean([1.0, 2.0]) == 1.5
  assert panel_values.mean([1.0, None]) is None
  assert panel_values.mean([]) is None
  assert panel_values.seed_mean(None) is None


def test_the_mean_over_seeds_of_another_number():
  parts = [part('rte', 1.0, std=2.0), part('rte', 3.0, std=6.0)]
  assert panel_values.seed_mean(parts) == 2.0
  assert panel_values.seed_mean(parts, lambda p: p['std']) == 4.0


def test_best_test_is_that_of_the_template_chosen_on_validation_rows():
  assert panel_values.best_test(part('rte', 1.0, best=4.0)) == 4.0
  assert panel_values.best_test(part('rte', 1.0)) is None


def test_a_statistic_over_templates():
  found = part('rte', 4.0, templates=[1.0, 2.0, 9.0])
  assert panel_values.over_templates(found, np.median) == 2.0
  assert panel_values.over_templates(found, max) == 9.0


@pytest.mark.parametrize('cluster', ['nli', 'commonsense', 'translation'])
def test_members_are_those_that_the_papers_values_give(cluster):
  members = panel_values.members_of(cluster)
  assert members in [
    mean.members
    for mean in PAPER_MEANS
    if mean.cluster == cluster and mean.reproduced
  ]


def test_members_are_rows_that_we_have():
  assert 'trivia_qa' in panel_values.members_of('closed_book_qa')
  assert panel_values.members_of('sentiment') == ()


def test_a_cluster_mean_is_over_all_members_or_unknown():
  members = panel_values.members_of('commonsense')
  parts = {name: [part(name, float(n))] for n, name in enumerate(members)}
  assert panel_values.cluster_mean(parts, 'commonsense') == pytest.approx(
    np.mean(range(len(members)))
  )
  # Others of the cluster do not count, as the paper has not averaged them.
  parts['cosmos_qa'] = [part('cosmos_qa', 100.0)]
  assert panel_values.cluster_mean(parts, 'commonsense') == 1.5
  del parts[members[0]]
  assert panel_values.cluster_mean(parts, 'commonsense') is None


def test_without_a_mean_of_the_paper_all_parts_of_the_cluster_count():
  parts = {
    name: [part(name, value)]
    for name, value in (('sst2', 1.0), ('imdb_reviews', 2.0), ('rte', 50.0))
  }
  assert panel_values.cluster_mean(parts, 'sentiment') == 1.5
  assert panel_values.cluster_mean({}, 'sentiment') is None


def test_arms_and_labels_are_in_order_and_unique():
  cells = [
    cell('base', {'b': []}),
    cell('tuned', {'b': [], 'a': []}),
    cell('tuned', {'a': [], 'c': []}, seed=1),
  ]
  assert panel_values.arms_of(cells) == ['base', 'tuned']
  assert panel_values.labels_of(cells, 'tuned') == ['b', 'a', 'c']
