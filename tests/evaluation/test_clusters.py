"""The paper's means over clusters, of exactly its members."""

import pytest

from flan_jax.evaluation.clusters import cluster_means
from flan_jax.evaluation.paper_means import FLAN, ZERO, mean_for
from flan_jax.evaluation.part_result import PartResult
from flan_jax.evaluation.table import clusters_table
from flan_jax.studies import paper


def _result(cluster, part, group=None, *, mean, best=None, shots=0, rows=100):
  return PartResult(
    dataset=part,
    part=part,
    cluster=cluster,
    format='instructions',
    available_rows=rows,
    rows=rows,
    groups=rows,
    interval=(mean - 4, mean + 4),
    template_set=None,
    adapted={},
    note='',
    cache={},
    metric='accuracy',
    group=group,
    mean=mean,
    best_validation=None if best is None else {'test': best},
    shots=shots,
  )


@pytest.mark.parametrize(
  'cluster, figure, value',
  [
    ('nli', 'Figure 1', 56.2),
    ('reading_comprehension', 'Figure 1', 77.4),
    ('closed_book_qa', 'Figure 9', 53.7),
    ('commonsense', 'Figure 9', 80.0),
    ('coreference', 'Figure 9', 63.8),
    ('translation', 'Figure 9', 31.0),
  ],
)
def test_the_papers_results_give_the_papers_means(cluster, figure, value):
  results = [
    _result(cluster, *member.split(), mean=paper.find(member, FLAN, ZERO).value)
    for member in mean_for(cluster, 'instructions', 0).members
  ]
  (found,) = cluster_means(results)
  assert found['mean'] == pytest.approx(value, abs=0.0501)
  assert (found['figure'], found['paper']) == (figure, value)
  assert found['problem'] is None
  assert found['best_validation'] is None  # There are no validation rows.
  assert f' {value} ' in str(clusters_table([found]))


def test_a_mean_that_is_not_reproduced_is_not_compared():
  results = [
    _result('struct_to_text', part, mean=40.0)
    for part in mean_for('struct_to_text', 'instructions', 0).members
  ]
  (found,) = cluster_means(results)
  assert (found['mean'], found['paper']) == (40.0, None)
  assert '48.9' in found['problem']


def test_other_parts_are_listed_and_a_missing_member_leaves_no_mean():
  results = [
    _result('coreference', 'winogrande', mean=60.0, best=61.0),
    _result('coreference', 'wsc', mean=99.0, best=99.0),
  ]
  (found,) = cluster_means(results)
  assert found['mean'] is found['best_validation'] is None
  assert found['missing'] == ['definite_pronoun_resolution']
  assert found['others'] == {'wsc': 99.0}
  assert 'definite_pronoun_resolution' in str(clusters_table([found]))
  results.append(
    _result('coreference', 'definite_pronoun_resolution', mean=50.0, best=53.0)
  )
  (found,) = cluster_means(results)
  assert (found['mean'], found['best_validation']) == (55.0, 57.0)
  half = 4 / 2**0.5
  assert found['interval'] == pytest.approx((55 - half, 55 + half))


def test_a_member_of_few_rows_is_in_no_mean_of_the_paper():
  few = 'definite_pronoun_resolution'
  results = [
    _result('coreference', 'winogrande', mean=60.0),
    _result('coreference', few, mean=50.0, rows=19),
  ]
  (found,) = cluster_means(results)
  assert found['mean'] is found['interval'] is None
  assert found['missing'] == found['too_few'] == [few]
  assert f'{few} (too few rows)' in str(clusters_table([found]))


def test_numbers_of_exemplars_have_their_own_means():
  results = [
    _result('coreference', part, mean=value, shots=shots)
    for shots, value in ((0, 40.0), (5, 60.0))
    for part in ('definite_pronoun_resolution', 'winogrande')
  ]
  results.append(_result('sentiment', 'sst2', mean=90.0))
  found = {
    (m['cluster'], m['shots']): m['mean'] for m in cluster_means(results)
  }
  assert found == {('coreference', 0): 40.0, ('coreference', 5): 60.0}
