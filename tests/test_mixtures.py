"""Members of the hold-out and ablation mixtures."""

import itertools

from flan_jax.mixtures import ablations, holdout
from flan_jax.tasks import CLUSTERS, DATASETS
import pytest

from flan_jax.definitions import names, registry
from flan_jax.definitions.mixture_plan import mixing_rate

registry.load()

# Sums of min(rows, 3,000) over the training parts, at recorded sizes.
_RATES = {
  'flan_all': 179_371,
  'flan_holdout_nli': 146_276,
  'flan_holdout_paraphrase': 146_276,
  'flan_holdout_commonsense': 165_350,
  'flan_holdout_reading_comprehension': 155_371,
  'flan_holdout_reading_comprehension_commonsense': 147_350,
  'flan_holdout_sentiment': 167_371,
  'flan_holdout_closed_book_qa': 170_401,
  'flan_holdout_struct_to_text': 167_371,
  'flan_holdout_translation': 155_371,
  'flan_holdout_coreference': 174_745,
  'flan_holdout_summarization': 147_712,
  'flan_holdout_misc': 158_371,
  'flan_holdout_conversational_qa': 173_371,
}


def _parts(mixture: str) -> set[str]:
  return {m.part.name for m in names.resolve(mixture).members}


def _datasets(mixture: str) -> set[str]:
  return {m.dataset.name for m in names.resolve(mixture).members}


def _clusters(mixture: str) -> set[str]:
  return {m.part.cluster for m in names.resolve(mixture).members}


def _rate(mixture: str) -> int:
  members = names.resolve(mixture).members
  return sum(mixing_rate(m.part.rows['train']) for m in members)


def test_numbers_of_datasets_and_parts():
  assert len(DATASETS) == 62 and len(CLUSTERS) == 12
  parts = [p for d in DATASETS for p in d.resolve_parts()]
  assert sum(part.trains for part in parts) == 66
  evaluated = [part for part in parts if part.evaluates]
  assert len(evaluated) == 68
  groups = [{t.group for t in part.templates} for part in evaluated]
  assert sum(map(len, groups)) == 76


@pytest.mark.parametrize('mixture', _RATES)
def test_rates_at_the_recorded_sizes(mixture):
  assert _rate(mixture) == _RATES[mixture]


@pytest.mark.parametrize('cluster', CLUSTERS)
def test_a_held_out_cluster_is_never_trained_on(cluster):
  closed = {cluster, *holdout.EXCLUDED.get(cluster, ())}
  assert _clusters(f'flan_holdout_{cluster}') == set(CLUSTERS) - closed
  assert _clusters(f'flan_eval_{cluster}') == {cluster}
  assert names.resolve(f'flan_holdout_{cluster}').excluded == tuple(
    holdout.EXCLUDED.get(cluster, ())
  )


def test_exclusions_are_those_of_the_paper():
  open_ = {
    held_out: set(CLUSTERS) - _clusters(f'flan_holdout_{held_out}')
    for held_out in CLUSTERS
  }
  assert {k: v - {k} for k, v in open_.items() if len(v) > 1} == {
    'nli': {'paraphrase'},
    'paraphrase': {'nli'},
    'reading_comprehension': {'reading_comprehension_commonsense'},
    'commonsense': {'reading_comprehension_commonsense'},
    'reading_comprehension_commonsense': {
      'reading_comprehension',
      'commonsense',
    },
  }


def test_miscellaneous_datasets_are_held_out_one_by_one():
  assert _datasets('flan_eval_conversational_qa') == {'coqa', 'quac'}
  for name in ('wic', 'trec', 'cola', 'math_dataset', 'fix_punct'):
    assert _datasets(f'flan_eval_{name}') == {name}
    trained = _datasets(f'flan_holdout_{name}')
    assert trained == {d.name for d in DATASETS} - {name}
  assert 'the paper holds them out one by one' in (
    names.resolve('flan_holdout_misc').note
  )


def test_strict_hold_outs_drop_derived_datasets():
  def dropped(held_out):
    plain = _datasets(f'flan_holdout_{held_out}')
    return plain - _datasets(f'flan_holdout_{held_out}_strict')

  # WNLI is made from WSC, QNLI from SQuAD.
  assert {'wsc', 'squad'} <= dropped('nli')
  assert {'wnli'} <= dropped('coreference')
  assert {'qnli', 'coqa'} & dropped('reading_comprehension')
  assert _datasets('flan_holdout_nli_strict') < _datasets('flan_holdout_nli')


def test_clusters_are_added_in_the_order_of_the_paper():
  counts = [len(_datasets(f'flan_clusters_{k}')) for k in range(1, 8)]
  # Figure 6 of the paper counts nine translation datasets, but we have eight.
  assert counts == [11, 19, 24, 28, 32, 35, 37]
  for k in range(1, 7):
    assert _parts(f'flan_clusters_{k}') < _parts(f'flan_clusters_{k + 1}')
  assert not _clusters('flan_clusters_7') & set(ablations.HELD_OUT)
  assert _clusters('flan_eval_clusters') == set(ablations.HELD_OUT)


@pytest.mark.parametrize(
  'tasks, templates',
  list(itertools.product((1, 2, 3, 4), (1, 2, 4, 7, 10))),
)
def test_numbers_of_tasks_and_templates_in_the_ablation(tasks, templates):
  mixture = f'flan_tasks_{tasks}_templates_{templates}'
  members = names.resolve(mixture).members
  assert all(len(m.templates) == min(templates, 10) for m in members)
  by_cluster = [
    _datasets(mixture) & {d.name for d in ablations.datasets_of(cluster)}
    for cluster in ablations.ORDER
  ]
  sizes = [len(ablations.datasets_of(cluster)) for cluster in ablations.ORDER]
  assert [len(c) for c in by_cluster] == [min(tasks, size) for size in sizes]


def test_the_first_two_templates_of_translation_cover_both_directions():
  _, part = registry.find_part('wmt14_enfr')
  first = ablations.first_templates(part, 2)
  assert {part.templates[k].group for k in first} == {'en_fr', 'fr_en'}
  assert ablations.first_templates(part, 10) == tuple(range(10))


def test_formats_and_exemplars_are_suffixes_of_every_mixture():
  plain = names.resolve('flan_holdout_nli.plain').members
  assert {m.format for m in plain} == {'plain'}
  both = names.resolve('flan_tasks_2_templates_4.fitshot.named').members
  assert {(m.shots, m.format, m.templates) for m in both} == {
    (16, 'named', None)
  }


def test_mnli_trains_once_and_is_evaluated_twice():
  assert {p for p in _parts('flan_holdout_sentiment') if 'mnli' in p} == {
    'mnli'
  }
  assert {p for p in _parts('flan_eval_nli') if 'mnli' in p} == {
    'mnli_matched',
    'mnli_mismatched',
  }


def test_our_mixtures_exclude_extras_and_datasets_of_users():
  from flan_jax.testing import rule

  assert rule.RULE.name not in _parts('flan_all')
  assert not {'true_case', 'word_segment'} & _parts('flan_all')
  assert {'true_case', 'word_segment'} <= set(registry.parts())
