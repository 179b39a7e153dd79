"""Differences between two models, by hand-computed values."""

import numpy as np
import pytest
from scipy import stats

from flan_jax.evaluation import comparison
from flan_jax.evaluation.comparison import compare, comparison_tables, judged
from flan_jax.terminal.blocks import plain
from tests.evaluation.splits import part, ranked, ranked_split


def _compare(*arguments):
  return judged(compare(*arguments))


def test_a_clear_gain_and_its_reverse():
  golds = [0, 1] * 20
  test = part(ranked_split(golds))
  right, wrong = golds, [1 - gold for gold in golds]
  # One of two templates turns from wrong to right, on every row.
  before = ranked(t0=wrong, t1=right)
  after = ranked(t0=right, t1=right)
  (better,) = _compare(test, before, after)
  assert (better['before'], better['after']) == (50, 100)
  assert better['difference'] == 50
  assert better['interval'] == (50, 50)
  assert better['verdict'] == 'better'
  (worse,) = _compare(test, after, before)
  assert (worse['difference'], worse['verdict']) == (-50, 'worse')


def test_the_test_is_that_of_paired_groups():
  # Twenty rows are won, five are lost.
  golds = [0] * 60
  first = [1] * 20 + [0] * 40
  second = [0] * 55 + [1] * 5
  (found,) = _compare(
    part(ranked_split(golds)), ranked(t0=first), ranked(t0=second)
  )
  changes = 100.0 * (np.array(second) == 0) - 100.0 * (np.array(first) == 0)
  error = changes.std(ddof=1) / np.sqrt(60)
  assert found['error'] == pytest.approx(error, rel=0.1)
  expected = stats.ttest_1samp(changes, 0).pvalue
  assert found['p'] == pytest.approx(expected, rel=0.8)
  # Significant, but smaller than what 60 rows are sure to show.
  assert found['p_holm'] < 0.05 and found['verdict'] == 'better'
  assert found['detectable'] == pytest.approx(2.85 * error, rel=0.1)


def test_what_is_below_the_detectable_effect_is_not_better():
  line = {'groups': 400, 'difference': 2.5, 'detectable': 2.8, 'p': 0.01}
  lines = [line | {'metric': 'accuracy'}]
  assert judged(lines)[0]['verdict'] == 'not shown'
  lines[0]['difference'] = 2.9
  assert judged(lines)[0]['verdict'] == 'better'
  lines[0]['metric'] = 'word_edit_distance'
  assert judged(lines)[0]['verdict'] == 'worse'


def test_many_comparisons_are_corrected_by_holm():
  lines = [
    {'groups': 99, 'difference': 9.0, 'detectable': 1.0, 'metric': 'accuracy'}
    | {'p': p}
    for p in (0.04, 0.01, 0.02, None)
  ]
  found = judged(lines)
  expected = [0.04, 0.03, 0.04]
  assert [one['p_holm'] for one in found[:3]] == pytest.approx(expected)
  lines[0]['p'] = 0.03
  lines[1]['p'] = 0.03
  verdicts = [one['verdict'] for one in judged(lines)]
  assert verdicts[:3] == ['not shown'] * 3
  assert verdicts[3] == 'no interval'


def test_few_rows_have_no_verdict():
  golds = [0, 1] * 8
  wrong = [1 - gold for gold in golds]
  (found,) = _compare(
    part(ranked_split(golds)), ranked(t0=wrong), ranked(t0=golds)
  )
  assert (found['difference'], found['verdict']) == (100, 'too few rows')
  tables = comparison_tables([found | {'label': 'a' * 40}], [])
  titles, _, line = str(tables[0]).splitlines()
  # A long name takes no column from what a pipe reads.
  assert 'before' in titles and 'detectable' in titles
  assert line.split()[5:] == ['+100.0', '-', '-', '-', 'too', 'few', 'rows']


def test_an_interval_that_cannot_be_is_not_shown():
  line = {'metric': 'accuracy', 'verdict': 'better', 'interval': [80, 101]}
  assert comparison.shown_interval(line) is None
  assert comparison.shown_interval(line | {'interval': [80, 99]}) == (80, 99)
  # A correlation may change from -100 to 100, and a distance by any number.
  for metric in ('pearson', 'word_edit_distance'):
    assert comparison.shown_interval(line | {'metric': metric}) == (80, 101)
  few = line | {'verdict': 'too few rows', 'interval': [80, 99]}
  assert comparison.shown_interval(few) is None


def test_the_same_groups_are_drawn_for_both_models():
  # Both models are right in one group and wrong in the other, but the second is
  # better by one row in each. Paired, the gain is certain.
  golds = [0] * 8
  groups = [0] * 4 + [1] * 4
  first, second = [0, 0, 0, 1] + [1] * 4, [0] * 4 + [0, 1, 1, 1]
  (result,) = compare(
    part(ranked_split(golds, groups=groups)),
    ranked(t0=first),
    ranked(t0=second),
  )
  np.testing.assert_allclose(result['interval'], (25, 25))


def test_another_template_may_reverse_a_comparison():
  assert comparison.reversal([3.0]) is None
  assert comparison.reversal([2.0, 2.0]) == 0
  assert comparison.reversal([-1.0, 1.0]) == pytest.approx(0.5)
  # A new draw beside four: Student's t with three degrees of freedom.
  found = comparison.reversal([-1.0, 0.0, -2.0, -1.0])
  spread = np.std([1, 0, 2, 1], ddof=1) * np.sqrt(1.25)
  assert found == pytest.approx(stats.t.cdf(-1 / spread, 3))


def _line(part, difference, error, **more):
  return {
    **{'part': part, 'cluster': 'nli', 'metric': 'accuracy', 'rows': 50},
    **{'groups': 50, 'before': 0.0, 'after': difference},
    **{'difference': difference, 'error': error, 'freedom': 49},
    'interval': (0.0, 1.0),
    **more,
  }


def test_means_leave_out_what_is_not_known():
  lines = [
    *(_line('rte', 4.0, 3.0), _line('cb', 8.0, 4.0)),
    *(_line('wsc', 9.0, 1.0, groups=5), _line('copa', 1.0, None)),
  ]
  found = comparison.mean_of('nli', lines)
  assert (found['datasets'], found['left_out']) == (2, 2)
  assert (found['difference'], found['error']) == (6.0, 2.5)
  # Of Welch and Satterthwaite.
  assert found['freedom'] == pytest.approx(49 * 25**2 / (9**2 + 16**2))
  low, high = found['interval']
  assert (low + high) / 2 == pytest.approx(6)
  # Two directions of translation have the same rows.
  both = comparison.mean_of('wmt', [_line('wmt', 4.0, 3.0)] * 2)
  assert (both['error'], both['freedom']) == (3.0, 49)
  assert comparison.mean_of('nli', lines[2:]) is None


def test_there_is_a_mean_of_each_cluster_and_of_all():
  lines = [
    _line('rte', 4.0, 3.0),
    _line('sst2', 4.0, 3.0, cluster='sentiment'),
    _line('xsum', 4.0, 3.0, cluster='summarization', metric='rouge1'),
  ]
  names = [(m['mean_of'], m['metric']) for m in comparison.means(lines)]
  assert names[:3] == [
    *(('nli', 'accuracy'), ('sentiment', 'accuracy')),
    ('summarization', 'rouge1'),
  ]
  assert set(names[3:]) == {('all', 'accuracy')}


def test_the_table_shows_numbers_and_verdict():
  golds = [0, 1] * 15
  wrong = [1 - gold for gold in golds]
  found = _compare(
    part(ranked_split(golds)),
    ranked(t0=[0] * 30, t1=wrong),
    ranked(t0=golds, t1=golds),
  )
  tables = comparison_tables(found, comparison.means(found))
  line = str(tables[0]).splitlines()[-1].split()
  assert line[:6] == ['rte', 'accuracy', '30', '25.0', '100.0', '+75.0']
  assert line[-1] == 'better'
  text = plain(tables)
  assert 'Holm' in text and 'nli (1)' in text
  assert max(map(len, text.splitlines())) <= 100
