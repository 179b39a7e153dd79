import pytest

from flan_jax.definitions.names import MAX_SHOTS
from flan_jax.report.dataset_tables import Contrast
from flan_jax.report.paper_tables import (
  cluster_means_table,
  paper_tables,
  protocol_gap,
)
from flan_jax.report.systems import System, row_name
from flan_jax.report.tables import Value
from flan_jax.studies import paper
from tests.report import results_files as files

_ADAPTED = {'test': 'a smaller copy'}
_NLI = ('anli_r1', 'anli_r2', 'anli_r3', 'cb', 'rte')


def _system(*results):
  return System('tuned', 'run', {row_name(r): r for r in results})


@pytest.mark.parametrize(
  'part, values, gap',
  [
    ('rte', {}, ''),
    ('rte', {'adapted': _ADAPTED}, 'adapted split'),
    ('rte', {'available_rows': 277, 'max_rows': 8}, '80 of 277 rows'),
    ('rte', {'format': 'named'}, 'format named'),
    ('rte', {'shots': 5}, '5 exemplars'),
    ('rte', {'shots': MAX_SHOTS}, ''),
    ('rte', {'template_set': 'abc'}, 'another template set'),
    # The paper reports F1 of MultiRC, as we do, and exact match of ReCoRD.
    ('multirc', {}, ''),
    ('natural_questions', {}, ''),
    ('record', {}, 'metric record_f1'),
  ],
)
def test_what_differs_from_the_protocol(part, values, gap):
  assert protocol_gap(files.part(part, [50.0], **values)) == gap


def test_another_protocol_has_a_column_of_its_own():
  system = _system(
    files.part('rte', [60.0, 70.0]), files.part('cb', [80.0], adapted=_ADAPTED)
  )
  rte, cb = paper_tables(system)[0].rows
  assert (rte['ours'], rte['ours best']) == (65.0, 70.0)
  assert 'other' not in rte
  assert cb['other'] == 80.0 and cb['gap'] == 'adapted split'
  assert 'ours' not in cb
  published = paper.find('rte', 'FLAN 137B', 'zero_shot_mean')
  assert rte['FLAN 137B'] == Value(
    published.value, published.provenance, published.std
  )


def test_few_shot_results_stand_beside_few_shot_ones():
  table = paper_tables(_system(files.part('rte', [60.0], shots=MAX_SHOTS)))[0]
  assert table.name == 'paper_few_shot'
  published = paper.find('rte', 'FLAN 137B', 'few_shot_mean')
  assert table.rows[0]['FLAN 137B'].value == published.value


def test_nothing_is_won_against_recalled_values_or_on_other_rows():
  def wins(*results):
    rows = paper_tables(_system(*results))[-1].rows
    return {row['baseline']: row for row in rows}

  best = [files.part(name, [100.0]) for name in _NLI]
  won = wins(*best)
  # GPT-3's values are all recalled, some of GLaM's are quoted.
  assert won['GPT-3 175B, zero-shot']['won'] == 0
  assert won['GPT-3 175B, zero-shot']['recalled'] == len(_NLI)
  assert won['GLaM 64B/64E, zero-shot']['won'] > 0
  copies = [files.changed(result, adapted=_ADAPTED) for result in best]
  assert wins(*copies)['GLaM 64B/64E, zero-shot']['won'] == 0


def test_a_cluster_has_exactly_the_papers_datasets():
  results = [files.part(name, [50.0]) for name in (*_NLI, 'mnli_matched')]
  contrast = Contrast('', 'tuned', None, _system(*results), {})
  (row,) = cluster_means_table(contrast).rows
  assert (row['datasets'], row['ours'], row['figure']) == (5, 50.0, 'Figure 1')
  assert row['paper'] == Value(56.2, 'recalled')
  # One that is missing, or of other rows, is no mean like the paper's.
  less = Contrast('', 'tuned', None, _system(*results[1:]), {})
  assert cluster_means_table(less) is None
  results[0] = files.changed(results[0], adapted=_ADAPTED)
  contrast = Contrast('', 'tuned', None, _system(*results), {})
  (row,) = cluster_means_table(contrast).rows
  assert row['other'] == 50.0 and row['gap'] == 'adapted split'
  assert 'ours' not in row


def test_a_model_without_such_datasets_has_no_table():
  assert paper_tables(_system(files.part('wnli', [50.0]))) == []
