import pytest

from flan_jax.report import dataset_tables
from flan_jax.report.dataset_tables import (
  Contrast,
  cluster_table,
  contrasts,
  dataset_table,
  template_table,
)
from flan_jax.report.differences import Difference
from flan_jax.report.systems import System, row_name
from tests.report import results_files as files


def _system(label, *results, origin='run'):
  return System(label, origin, {row_name(r): r for r in results})


def _difference(name, value, error, **more) -> Difference:
  line = files.comparison(name, 50.0, 50.0 + value) | {
    'interval': [value - 2 * error, value + 2 * error],
    'error': error,
    **more,
  }
  return Difference(value, line)


@pytest.fixture
def contrast() -> Contrast:
  base = _system(
    'base', files.part('rte', [50.0, 52.0]), files.part('cb', [40])
  )
  tuned = _system(
    'tuned',
    files.part('rte', [60.0, 70.0], interval=(62.0, 68.0)),
    files.part(
      'cb', [44], interval=(40.0, 48.0), written={'valid_options': 9.0}
    ),
  )
  changes = {
    'rte': _difference('rte', 14.0, 1.5),
    'cb': _difference('cb', 4.0, 2.0),
  }
  return Contrast('', 'tuned against base', base, tuned, changes)


def test_a_dataset_stands_beside_majority_and_base(contrast):
  row = dataset_table(contrast).rows[0]
  assert row == {
    'dataset': 'rte',
    'cluster': 'nli',
    'metric': 'accuracy',
    'rows': 80,
    'majority': 50.0,
    'base': 51.0,
    'base interval': (20.0, 80.0),
    'tuned': 65.0,
    'tuned interval': (62.0, 68.0),
    'difference': 14.0,
    'difference interval': (11.0, 17.0),
    'verdict': 'better',
  }


def test_a_base_alone_has_its_own_columns():
  (contrast,) = contrasts([_system('base', files.part('rte', [50.0]))])
  for table in (dataset_table(contrast), cluster_table(contrast)):
    (row,) = table.rows
    assert row['base'] == 50.0 and 'tuned' not in row
  (row,) = template_table(contrast).rows
  assert 'base std' in row and 'tuned std' not in row


def test_a_cluster_is_the_mean_of_its_datasets(contrast):
  (row,) = cluster_table(contrast).rows
  assert (row['cluster'], row['datasets'], row['rows']) == ('nli', 2, 160)
  assert (row['base'], row['tuned'], row['difference']) == (45.5, 54.5, 9.0)
  # Half of the root of 3 and 4 in squares.
  assert row['tuned interval'] == (52.0, 57.0)
  # So are the errors of the differences; Student's quantile is 1.98.
  low, high = row['difference interval']
  assert high - low == pytest.approx(2 * 1.98 * 1.25, rel=0.01)
  assert row['verdict'] == 'better'


def test_metrics_are_not_mixed():
  tuned = _system(
    'tuned', files.part('multirc', [10.0]), files.part('bool_q', [20.0])
  )
  table = cluster_table(Contrast('', 'tuned', None, tuned, {}))
  assert [row['metric'] for row in table.rows] == ['f1:True', 'accuracy']


def test_directions_of_translation_are_of_the_same_rows():
  tuned = _system(
    'tuned',
    *(
      files.part('wmt14_enfr', [20.0], interval=(16.0, 26.0), group=group)
      for group in ('en_fr', 'fr_en')
    ),
  )
  (row,) = cluster_table(Contrast('', '', None, tuned, {})).rows
  # As wide as those of one direction.
  assert row['tuned interval'] == (16.0, 26.0)


def test_exemplars_are_not_mixed_with_none():
  rte, few = files.part('rte', [50.0]), files.part('rte', [60.0], shots=5)
  tuned = _system('tuned', rte, few)
  rows = cluster_table(Contrast('', '', None, tuned, {})).rows
  assert [(r['asked'], r['tuned']) for r in rows] == [
    ('', 50.0),
    ('5 exemplars', 60.0),
  ]


def test_a_cluster_whose_base_is_incomplete_has_none(contrast):
  del contrast.base.parts['cb']
  (row,) = cluster_table(contrast).rows
  assert 'base' not in row and row['tuned'] == 54.5


def test_less_is_better_where_the_metric_is_a_distance():
  results = [files.part(n, [9.0]) for n in ('true_case', 'word_segment')]
  change = _difference('true_case', -4.0, 1.0, metric='word_edit_distance')
  tuned, base = _system('tuned', *results), _system('base', *results)
  changes = dict.fromkeys(tuned.parts, change)
  (row,) = cluster_table(Contrast('', '', base, tuned, changes)).rows
  assert row['verdict'] == 'better'


def test_templates_have_spread_and_valid_answers(contrast):
  rte, cb = template_table(contrast).rows
  assert rte['templates'] == 2
  assert (rte['tuned best'], rte['tuned template']) == (70.0, 't1')
  assert rte['tuned macro F1'] == 64.0 and rte['base macro F1'] == 50.0
  assert cb['tuned valid'] == 9.0 and cb['base valid'] is None


def test_one_group_of_rows_gives_no_interval():
  single = [
    files.part(name, [100.0], interval=(100.0, 100.0), groups=1)
    for name in ('rte', 'cb')
  ]
  tuned, base = _system('tuned', *single), _system('base', *single)
  few = _difference('rte', 9.0, 0.0, groups=1, verdict='too few rows')
  sure = dict.fromkeys(tuned.parts, few)
  (row,) = cluster_table(Contrast('', '', base, tuned, sure)).rows
  assert row['tuned interval'] is None is row['difference interval']
  assert row['verdict'] == 'too few rows'


def test_bounds_that_touch_zero_do_not_add_up_to_a_difference():
  names = ('rte', 'cb', 'wnli', 'snli')
  results = [files.part(name, [50.0]) for name in names]
  tuned, base = _system('tuned', *results), _system('base', *results)
  worse = {name: _difference(name, -2.0, 2.0) for name in names}
  (row,) = cluster_table(Contrast('', '', base, tuned, worse)).rows
  # Four times 2 in squares, over 4: an error of 1.
  low, high = row['difference interval']
  assert (low, high) == pytest.approx((-3.97, -0.03), abs=0.03)
  # It excludes 0, but differences of 2.8 could be missed.
  assert row['verdict'] == 'not shown'


def test_a_missing_interval_is_explained():
  few = files.part('rte', [100.0], interval=(80.0, 100.0), rows=19)
  table = dataset_table(Contrast('', '', None, _system('tuned', few), {}))
  assert table.rows[0]['tuned interval'] is None
  assert table.notes == (dataset_tables._NO_INTERVAL,)


def test_a_model_is_compared_with_the_base_of_its_run():
  rte = files.part('rte', [50.0])
  other, own = (
    _system(f'base, {origin}', rte, origin=origin) for origin in ('x', 'run')
  )
  tuned = _system('tuned', rte)
  (found,) = contrasts([other, own, tuned])
  assert found.base is own and found.title == 'tuned against base, run'
  (found,) = contrasts([own, _system('tuned, run', rte)])
  assert found.title == 'tuned against base, run'
  (alone,) = contrasts([_system('base', rte)])
  assert alone.base is None and alone.tuned.label == 'base'
  first, second = contrasts([tuned, _system('step 3', rte)])
  assert (first.name, second.name) == ('1_', '2_')
