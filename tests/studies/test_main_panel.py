"""The panel of `main`, fed with the paper's own values."""

import pytest

from flan_jax.definitions import registry
from flan_jax.evaluation.paper_means import means_of
from flan_jax.studies import panel_values, paper
from flan_jax.studies.design import StudyDesign
from flan_jax.studies.main_panel import main_panel
from tests.studies.cells import cell, part, published

registry.load()

_CLUSTERS = (
  *('nli', 'reading_comprehension', 'closed_book_qa', 'commonsense'),
  *('coreference', 'translation', 'struct_to_text', 'sentiment'),
  'reading_comprehension_commonsense',
)


def _design(*holdouts):
  return StudyDesign({}, holdouts)


def _split(parts, label):
  """Returns one evaluation of each hold-out."""
  return {
    cluster: {label: [p for p in parts if p['cluster'] == cluster]}
    for cluster in _CLUSTERS
  }


@pytest.fixture(scope='module')
def of_the_paper():
  cells = []
  for arm, parts in (
    ('tuned', published()),
    ('base', published('zero_shot', paper.LAMDA)),
  ):
    cells += [
      cell(arm, evaluations, cluster)
      for cluster, evaluations in _split(parts, 'zero-shot').items()
    ]
  few = _split(published('few_shot'), 'few-shot')
  cells += [cell('tuned', found, cluster) for cluster, found in few.items()]
  return main_panel(_design(*_CLUSTERS), cells)


def test_values_of_the_paper_are_their_own_counterparts(of_the_paper):
  lines = [line for line in of_the_paper['datasets'] if line['tuned']]
  parts = [p for p in published() if p['cluster'] in _CLUSTERS]
  names = [panel_values.part_name(p) for p in parts]
  assert sorted(line['dataset'] for line in lines) == sorted(names)
  for line in lines:
    assert line['tuned'] == line['paper']
    assert line['paper is'] in paper.PROVENANCES
    assert line['headline'] == (line['dataset'] in paper.HEADLINE)
  headline = {line['dataset'] for line in lines if line['headline']}
  assert headline == {*paper.HEADLINE} - {'trivia_qa_wiki_dev'}


def test_a_difference_is_tuned_less_base(of_the_paper):
  lines = {line['dataset']: line for line in of_the_paper['datasets']}
  tuned = paper.find('rte', paper.FLAN, 'zero_shot_mean').value
  base = paper.find('rte', paper.LAMDA, 'zero_shot').value
  assert lines['rte']['difference'] == pytest.approx(tuned - base)
  few = paper.find('rte', paper.FLAN, 'few_shot_mean').value
  assert lines['rte']['tuned few-shot'] == few
  assert lines['rte']['base few-shot'] is None
  best = paper.find('rte', paper.FLAN, 'zero_shot_best_dev').value
  assert lines['rte']['best template'] == best


@pytest.mark.parametrize('cluster', _CLUSTERS)
def test_cluster_means_are_those_that_the_paper_prints(of_the_paper, cluster):
  (line,) = [x for x in of_the_paper['clusters'] if x['cluster'] == cluster]
  for label, setting in (
    ('tuned zero-shot', 'zero_shot_mean'),
    ('tuned few-shot', 'few_shot_mean'),
  ):
    for mean in means_of(cluster):
      if mean.setting == setting and mean.reproduced and mean.value:
        assert line[label] == pytest.approx(mean.value, abs=0.06)


def test_wins_of_the_papers_model_are_those_that_its_values_give(of_the_paper):
  counts = {
    c.rule: c
    for c in paper.win_counts(
      {
        k: v
        for k, v in paper.flan_scores().items()
        if k != 'trivia_qa_wiki_dev'
      },
      use_recalled=True,
    )
  }
  ours, *lines = of_the_paper['wins']
  assert [line['won'] for line in lines] == [
    len(c.won) for c in counts.values()
  ]
  assert [line['paper'] for line in lines] == [r.published for r in counts]
  assert ours['baseline'] == 'our base model, zero-shot'
  assert ours['of'] == len(paper.HEADLINE)
  assert ours['won'] <= ours['compared'] <= ours['of'] - 1


def test_our_base_model_is_beaten_by_the_template_that_is_best_on_validation():
  cells = [
    # rte: mean below, best above. cb: equal. copa: worse. sst2: not counted.
    cell(
      'tuned',
      {
        'zero-shot': [
          part('rte', 50.0, best=70.0),
          part('cb', 60.0),
          part('copa', 10.0),
          part('sst2', 90.0),
        ]
      },
    ),
    cell(
      'base',
      {
        'zero-shot': [
          part('rte', 60.0, best=65.0),
          part('cb', 60.0),
          part('copa', 20.0),
          part('sst2', 10.0),
          part('hellaswag', 10.0),
        ]
      },
    ),
  ]
  (ours, *_) = main_panel(_design('nli'), cells)['wins']
  assert (ours['won'], ours['compared']) == (1, 3)


def test_seeds_are_averaged():
  cells = [
    cell('base', {'zero-shot': [part('rte', 10.0)]}),
    cell('tuned', {'zero-shot': [part('rte', 20.0, best=30.0)]}),
    cell('tuned', {'zero-shot': [part('rte', 40.0, best=50.0)]}, seed=1),
  ]
  (line,) = main_panel(_design('nli'), cells)['datasets']
  assert (line['base'], line['tuned'], line['difference']) == (10, 30, 20)
  assert line['best template'] == 40


def test_a_study_of_one_arm_has_no_differences():
  cells = [cell('base', {'zero-shot': [part('rte', 10.0)]})]
  panel = main_panel(_design('nli'), cells)
  (line,) = panel['datasets']
  assert line['tuned'] is None and line['difference'] is None
  (cluster,) = panel['clusters']
  assert cluster['tuned zero-shot'] is None
