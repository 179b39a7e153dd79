"""The paper's means over clusters, of exactly its members."""

import pytest

from flan_jax.definitions import registry
from flan_jax.evaluation.clusters import PAPER_MEMBERS, cluster_means
from flan_jax.evaluation.part_result import PartResult
from flan_jax.evaluation.table import clusters_table

# The paper's zero-shot means over templates, FLAN 137B (arXiv:2109.01652).
_PAPER = {
  'nli': (56.2, (47.7, 43.9, 47.0, 64.1, 78.3)),
  'reading_comprehension': (77.4, (80.2, 74.5, 77.4)),
  # From the paper's first version, on TFDS's rows of TriviaQA.
  'closed_book_qa': (53.7, (79.5, 61.7, 18.6, 55.0)),
  'commonsense': (80.0, (90.6, 56.4, 80.9, 92.2)),
  'coreference': (63.8, (60.3, 67.3)),
  'translation': (31.0, (32.9, 35.5, 25.4, 38.9, 16.7, 36.8)),
}


def _result(cluster, part, group=None, *, mean, best=None, shots=0):
  return PartResult(
    dataset=part,
    part=part,
    cluster=cluster,
    format='instructions',
    available_rows=1,
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


@pytest.mark.parametrize('cluster', sorted(PAPER_MEMBERS))
def test_members_are_parts_of_their_cluster(cluster):
  registry.load()
  for member in PAPER_MEMBERS[cluster]:
    name, *groups = member.split()
    _, part = registry.find_part(name)
    assert part.cluster == cluster
    group = groups[0] if groups else None
    assert group in {template.group for template in part.templates}


@pytest.mark.parametrize('cluster', sorted(_PAPER))
def test_the_papers_members_give_the_papers_means(cluster):
  mean, values = _PAPER[cluster]
  results = [
    _result(cluster, *member.split(), mean=value)
    for member, value in zip(PAPER_MEMBERS[cluster], values, strict=True)
  ]
  (found,) = cluster_means(results)
  assert found['mean'] == pytest.approx(mean, abs=0.06)
  assert found['best_validation'] is None  # There are no validation rows.


def test_other_parts_are_listed_and_a_missing_member_leaves_no_mean():
  results = [
    _result('coreference', 'winogrande', mean=60.0, best=61.0),
    _result('coreference', 'wsc', mean=99.0, best=99.0),
  ]
  (found,) = cluster_means(results)
  assert found['mean'] is found['best_validation'] is None
  assert found['missing'] == ['definite_pronoun_resolution']
  assert found['others'] == {'wsc': 99.0}
  assert 'definite_pronoun_resolution' in clusters_table([found])
  results.append(
    _result('coreference', 'definite_pronoun_resolution', mean=50.0, best=53.0)
  )
  (found,) = cluster_means(results)
  assert (found['mean'], found['best_validation']) == (55.0, 57.0)


def test_numbers_of_exemplars_have_their_own_means():
  results = [
    _result('coreference', part, mean=value, shots=shots)
    for shots, value in ((0, 40.0), (5, 60.0))
    for part in PAPER_MEMBERS['coreference']
  ]
  results.append(_result('sentiment', 'sst2', mean=90.0))
  found = {
    (m['cluster'], m['shots']): m['mean'] for m in cluster_means(results)
  }
  assert found == {('coreference', 0): 40.0, ('coreference', 5): 60.0}
