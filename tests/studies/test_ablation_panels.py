"""The panels of the ablations, fed with the paper's own values."""

from flan_jax.mixtures.ablations import HELD_OUT
import numpy as np
import pytest

from flan_jax.definitions import registry
from flan_jax.evaluation.paper_means import PAPER_MEANS
from flan_jax.studies import paper
from flan_jax.studies.ablation_panels import (
  clusters_panel,
  fewshot_panel,
  instructions_panel,
  scale_panel,
  templates_panel,
)
from flan_jax.studies.design import StudyDesign
from flan_jax.studies.panel_values import members_of
from flan_jax.studies.published_curves import BLOOMZ
from tests.studies.cells import cell, part, published

registry.load()

_LABEL = 'zero-shot'
_ROUNDING = 0.06  # Means are printed with one decimal.


def _of(cluster, parts):
  return [p for p in parts if p['cluster'] == cluster]


def _held_out(value):
  """Returns parts of the ablations' clusters that all have one value."""
  return [part(name, value) for c in HELD_OUT for name in members_of(c)]


def _mean(figure, cluster, setting='zero_shot_mean', **more):
  wanted = {'figure': figure, 'cluster': cluster, 'setting': setting, **more}
  (found,) = [
    mean
    for mean in PAPER_MEANS
    if all(getattr(mean, key) == value for key, value in wanted.items())
  ]
  return found


@pytest.fixture(scope='module')
def fewshot():
  """The paper shows as many exemplars as it tunes with."""
  clusters = tuple(
    dict.fromkeys(m.cluster for m in PAPER_MEANS if m.figure == 'Figure 9')
  )
  cells = [
    cell(
      arm,
      {
        '0': _of(cluster, published()),
        '1': _of(cluster, published()),
        '16': _of(cluster, published('few_shot')),
      },
      cluster,
    )
    for arm in ('tuned with 0', 'tuned with 16')
    for cluster in clusters
  ]
  (lines,) = fewshot_panel(StudyDesign({}, clusters), cells).values()
  return {(x['cluster'], x['arm'], x['exemplars']): x for x in lines}


def test_figure_9_is_reproduced_by_the_papers_values(fewshot):
  compared = 0
  for (cluster, arm, label), line in fewshot.items():
    setting = {'0': 'zero_shot_mean', '16': 'few_shot_mean'}.get(label)
    if arm != f'tuned with {label}' or setting is None:
      assert line['paper'] is None
      continue
    printed = _mean('Figure 9', cluster, setting)
    assert line['paper'] == (printed.value if printed.reproduced else None)
    if line['paper'] is not None:
      assert line['mean'] == pytest.approx(line['paper'], abs=_ROUNDING)
      compared += 1
  assert compared == sum(
    m.figure == 'Figure 9' and m.reproduced for m in PAPER_MEANS
  )


def test_figure_9_averages_deviations_over_the_same_datasets(fewshot):
  stds = [
    paper.find(name, paper.FLAN, 'zero_shot_mean').std
    for name in members_of('commonsense')
  ]
  line = fewshot['commonsense', 'tuned with 0', '0']
  expected = None if None in stds else pytest.approx(np.mean(stds))
  assert line['std'] == expected


@pytest.fixture(scope='module')
def table_3():
  holdouts = (
    *('nli', 'reading_comprehension', 'closed_book_qa', 'translation'),
  )
  cells = []
  for holdout in holdouts:
    parts = _of(holdout, published())
    cells += [
      cell('instructions', {'instructions': parts}, holdout),
      cell('no template', {'instructions': parts}, holdout),
      cell(
        'dataset name', {'instructions': parts, 'dataset name': parts}, holdout
      ),
    ]
  (lines,) = instructions_panel(StudyDesign({}, holdouts), cells).values()
  return lines


def test_table_3_is_reproduced_by_the_papers_values(table_3):
  line = table_3[0]
  for cluster in ('nli', 'reading_comprehension'):
    printed = _mean('Table 3', cluster, system=paper.FLAN)
    assert line[f'paper {cluster}'] == printed.value
    assert line[cluster] == pytest.approx(printed.value, abs=_ROUNDING)
  # The paper's own values deny these two.
  assert line['paper translation'] is None
  assert line['paper closed_book_qa'] is None


def test_table_3_has_a_line_for_each_way_of_tuning_and_asking(table_3):
  assert [(x['tuned with'], x['evaluated with']) for x in table_3] == [
    ('instructions', 'instructions'),
    ('no template', 'instructions'),
    ('dataset name', 'instructions'),
    ('dataset name', 'dataset name'),
  ]
  assert [x['paper overall'] for x in table_3] == [55.2, 37.3, 46.6, 47.0]
  assert [x['paper nli'] for x in table_3] == [56.2, 50.5, 52.8, 60.2]
  for line in table_3:
    means = [
      line[c]
      for c in ('nli', 'reading_comprehension', 'closed_book_qa', 'translation')
    ]
    assert line['overall'] == pytest.approx(np.mean(means))


def test_figure_6_is_the_mean_over_three_held_out_clusters():
  cells = [
    cell(str(count), {_LABEL: _held_out(50.0 + count)}, 'clusters')
    for count in range(8)
  ]
  (lines,) = clusters_panel(StudyDesign({}, ('clusters',)), cells).values()
  assert [line['clusters'] for line in lines] == list('01234567')
  assert [line['mean'] for line in lines] == [50.0 + n for n in range(8)]
  assert [line['paper'] for line in lines] == [
    None,
    *(49.9, 55.0, 59.3, 59.2, 60.8, 61.9, 63.5),
  ]


def test_figure_6_weighs_clusters_equally():
  values = dict(zip(HELD_OUT, (0.0, 30.0, 90.0), strict=True))
  parts = [
    part(name, value)
    for cluster, value in values.items()
    for name in members_of(cluster)
  ]
  cells = [cell('7', {_LABEL: parts}, 'clusters')]
  (lines,) = clusters_panel(StudyDesign({}, ('clusters',)), cells).values()
  assert lines[0]['mean'] == 40.0
  assert {c: lines[0][c] for c in HELD_OUT} == values


def test_figure_7_is_the_mean_over_13_datasets():
  parts = [p for c in HELD_OUT for p in _of(c, published())]
  panel = scale_panel(
    StudyDesign({}, ('clusters',)),
    [cell('137B tuned', {_LABEL: parts}, 'clusters')],
  )
  (line,) = panel['means']
  members = [name for cluster in HELD_OUT for name in members_of(cluster)]
  assert len(members) == line['of'] == line['datasets'] == 13
  for name, setting in (
    ('mean', 'zero_shot_mean'),
    ('best', 'zero_shot_best_dev'),
  ):
    values = [paper.find(m, paper.FLAN, setting) for m in members]
    assert line[name] == pytest.approx(np.mean([v.value for v in values]))
  assert len(panel['BLOOM and BLOOMZ, as published']) == len(BLOOMZ)


def test_figure_7_takes_the_median_over_templates_of_each_dataset():
  parts = [
    {**found, **part(found['part'], 40.0, templates=(10.0, 20.0, 90.0))}
    for found in _held_out(40.0)
  ]
  panel = scale_panel(
    StudyDesign({}, ('clusters',)), [cell('2B', {_LABEL: parts}, 'clusters')]
  )
  (line,) = panel['means']
  assert (line['mean'], line['median'], line['best']) == (40.0, 20.0, None)


def test_a_mean_without_all_datasets_is_unknown_and_says_how_many_there_are():
  panel = scale_panel(
    StudyDesign({}, ('clusters',)),
    [cell('2B', {_LABEL: _held_out(1.0)[1:]}, 'clusters')],
  )
  (line,) = panel['means']
  assert (line['mean'], line['datasets'], line['of']) == (None, 12, 13)


def test_figure_11_reads_datasets_and_templates_from_the_names_of_arms():
  cells = [
    cell(arm, {_LABEL: _held_out(value)}, 'clusters')
    for arm, value in (('1 dataset, 4 templates', 1.0), ('4 datasets, 10', 2.0))
  ]
  (lines,) = templates_panel(StudyDesign({}, ('clusters',)), cells).values()
  assert [
    (x['datasets a cluster'], x['templates a dataset'], x['mean'])
    for x in lines
  ] == [(1, 4, 1.0), (4, 10, 2.0)]
