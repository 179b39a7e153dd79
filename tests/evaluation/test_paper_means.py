"""The paper's means, computed again from its values for each dataset."""

import itertools

import numpy as np
import pytest

from flan_jax.definitions import registry
from flan_jax.definitions.names import MAX_SHOTS
from flan_jax.evaluation import paper_means
from flan_jax.evaluation.paper_means import (
  FEW,
  FLAN,
  PAPER_MEANS,
  ZERO,
  mean_for,
)
from flan_jax.studies import paper

_REPRODUCED = [mean for mean in PAPER_MEANS if mean.reproduced]
_OF_DATASETS = [mean for mean in _REPRODUCED if mean.cluster != 'overall']


def _label(mean):
  return f'{mean.figure}-{mean.cluster}-{mean.system}-{mean.setting}'


def _of_members(mean, members=None):
  """Returns the mean of the published values of some members."""
  found = [
    paper.find(member, mean.system, mean.setting)
    for member in members or mean.members
  ]
  return None if None in found else np.mean([f.value for f in found])


def _gives(mean, computed):
  """Whether a computed mean is printed as the paper's, to one decimal."""
  return computed is not None and abs(computed - mean.value) <= 0.0501


def _named(figure, cluster, setting):
  (mean,) = (
    m
    for m in PAPER_MEANS
    if (m.figure, m.cluster, m.setting) == (figure, cluster, setting)
    and (m.system, m.format) == (FLAN, 'instructions')
  )
  return mean


@pytest.mark.parametrize('mean', _OF_DATASETS, ids=_label)
def test_members_give_the_printed_mean(mean):
  values = [paper.find(m, mean.system, mean.setting) for m in mean.members]
  assert all(v.provenance != 'recomputed' for v in values)  # Circular.
  assert _gives(mean, _of_members(mean))


@pytest.mark.parametrize(
  'mean', [m for m in _REPRODUCED if m.cluster == 'overall'], ids=_label
)
def test_clusters_of_table_3_give_its_overall_means(mean):
  clusters = [
    m.value
    for m in PAPER_MEANS
    if (m.figure, m.system, m.format) == ('Table 3', mean.system, mean.format)
    and m.cluster in mean.members
  ]
  assert len(clusters) == 4 and _gives(mean, np.mean(clusters))


def test_which_means_are_reproduced():
  found = {
    (m.figure, m.cluster, m.setting): m.reproduced
    for m in PAPER_MEANS
    if m.system == FLAN and m.cluster not in ('overall', 'clusters')
  }
  assert {key for key, reproduced in found.items() if reproduced} == {
    ('Figure 1', 'nli', ZERO),
    ('Figure 1', 'reading_comprehension', ZERO),
    ('Table 3', 'nli', ZERO),
    ('Table 3', 'reading_comprehension', ZERO),
    ('Figure 9', 'closed_book_qa', ZERO),
    *(
      ('Figure 9', cluster, setting)
      for cluster in ('commonsense', 'coreference', 'translation')
      for setting in (ZERO, FEW)
    ),
  }


@pytest.mark.parametrize('cluster', ['nli', 'reading_comprehension'])
@pytest.mark.parametrize('setting', [ZERO, FEW])
def test_no_subset_of_known_values_gives_figure_9(cluster, setting):
  registry.load()
  mean = _named('Figure 9', cluster, setting)
  known = [
    result.dataset
    for result in paper.results()
    if (result.system, result.setting) == (FLAN, setting)
    and result.dataset in registry.parts()
    and registry.find_part(result.dataset)[1].cluster == cluster
  ]
  assert len(known) >= 3
  for size in range(1, len(known) + 1):
    for members in itertools.combinations(known, size):
      assert not _gives(mean, _of_members(mean, members)), members


def test_why_other_means_are_not_reproduced():
  table_3 = _named('Table 3', 'translation', ZERO)
  assert not _gives(table_3, _of_members(table_3))
  assert _of_members(table_3) == pytest.approx(31.0, abs=0.05)
  struct_to_text = _named('Figure 9', 'struct_to_text', ZERO)
  assert _of_members(struct_to_text) == pytest.approx(48.9, abs=0.05)
  assert _of_members(_named('Figure 9', 'struct_to_text', FEW)) is None
  for figure, setting, member in (
    ('Figure 1', ZERO, 'trivia_qa_wiki_dev'),
    ('Figure 9', FEW, 'trivia_qa'),
  ):
    mean = _named(figure, 'closed_book_qa', setting)
    assert member in mean.members and not mean.reproduced
    assert paper.find(member, FLAN, setting).provenance == 'recomputed'


def test_members_are_evaluated_parts_of_the_cluster():
  registry.load()
  for mean in PAPER_MEANS:
    if mean.cluster in ('overall', 'clusters'):
      continue
    for member in set(mean.members) - {'trivia_qa_wiki_dev'}:
      name, *groups = member.split()
      _, part = registry.find_part(name)
      assert part.evaluates and part.cluster == mean.cluster
      group = groups[0] if groups else None
      assert group in {template.group for template in part.templates}


def test_figure_7_has_13_datasets():
  (figure_7,) = (m for m in PAPER_MEANS if m.figure == 'Figure 7')
  assert len(set(figure_7.members)) == 13 and figure_7.value is None


@pytest.mark.parametrize(
  'cluster, shots, figure, value',
  [
    ('nli', 0, 'Figure 1', 56.2),
    ('nli', MAX_SHOTS, 'Figure 1', None),
    ('closed_book_qa', 0, 'Figure 9', 53.7),
    ('closed_book_qa', MAX_SHOTS, 'Figure 9', None),
    ('coreference', MAX_SHOTS, 'Figure 9', 67.4),
    ('coreference', 5, 'Figure 9', None),
    ('translation', 0, 'Figure 9', 31.0),
    ('struct_to_text', 0, 'Figure 9', None),
  ],
)
def test_which_mean_ours_repeats(cluster, shots, figure, value):
  mean = mean_for(cluster, 'instructions', shots)
  assert (mean.figure, mean.value) == (figure, value)
  assert (mean.value is None) == bool(mean.problem)


def test_a_mean_without_counterpart_keeps_the_members():
  named = mean_for('nli', 'named', 0)
  assert named.members == mean_for('nli', 'instructions', 0).members
  assert named.value is None and 'reports no mean' in named.problem
  assert mean_for('sentiment', 'instructions', 0) is None
  assert paper_means.means_of('sentiment') == []
