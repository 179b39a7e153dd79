"""Paired comparisons, against scikit-learn and explicit loops."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from flan_jax.definitions import registry
from flan_jax.errors import UserError
from flan_jax.studies import paired
from flan_jax.studies.paired import RESAMPLES, answers_of, compare, draws
from tests.studies.answers import guesses, records

registry.load()

# Three classes; options of its own for each row.
_CLASSES, _OPTIONS = 'cb', 'copa'


def _answers(part, *arguments, **more):
  return answers_of(records(part, *arguments, **more))[part]


def _random(part, seed, rows=30, templates=3, classes=3, left_out=0.2):
  generator = np.random.default_rng(seed)
  predicted = generator.integers(0, classes, (templates, rows)).astype(object)
  predicted[generator.random((templates, rows)) < left_out] = None
  predicted[0, :] = 0  # Every row is asked at least once.
  gold = generator.integers(0, classes, rows).tolist()
  groups = generator.integers(0, rows // 2, rows).tolist()
  return _answers(part, predicted.tolist(), gold, groups=groups)


def _repeated(answers, weight, template):
  """Returns predictions and gold of the rows that a resample draws."""
  rows = [
    row
    for row, count in enumerate(weight)
    for _ in range(int(count))
    if answers.asked[template, row]
  ]
  return answers.predicted[template, rows], answers.gold[rows]


def _f1(answers, weight):
  values = []
  for template in range(len(answers.asked)):
    predicted, gold = _repeated(answers, weight, template)
    values.append(f1_score(gold, predicted, average='macro', zero_division=0))
  return 100 * np.mean(values)


@pytest.mark.parametrize('seed', range(3))
def test_macro_f1_is_that_of_scikit_learn_in_every_resample(seed):
  answers = _random(_CLASSES, seed)
  weights = draws(answers)[:40]
  found = answers.macro_f1(weights)
  assert found == pytest.approx([_f1(answers, weight) for weight in weights])


def test_where_rows_have_their_own_options_macro_f1_is_accuracy():
  answers = _random(_OPTIONS, 0, classes=2)
  assert answers.classes == 0
  for weight, found in zip(
    draws(answers)[:20], answers.macro_f1(draws(answers)[:20]), strict=True
  ):
    values = []
    for template in range(3):
      predicted, gold = _repeated(answers, weight, template)
      values.append(100 * np.mean(predicted == gold))
    assert found == pytest.approx(np.mean(values))


def test_a_class_that_never_occurs_does_not_count():
  # Of three classes, two occur: F1 2/3 and 0.
  answers = _answers(_CLASSES, [[0, 0, 0]], [0, 0, 1])
  (found,) = answers.macro_f1(np.ones((1, 3)))
  assert found == pytest.approx(100 * (4 / 5) / 2)


def test_a_template_that_does_not_apply_to_a_row_is_not_asked():
  answers = _answers(_OPTIONS, [[0, 1], [None, 1]], [0, 0])
  assert answers.asked.tolist() == [[True, True], [False, True]]
  (found,) = answers.macro_f1(np.ones((1, 2)))
  # The first template is right on one row of two, the second on none of one.
  assert found == 25


def test_valid_answers_are_those_among_the_options():
  answers = _answers(
    _OPTIONS,
    [[0, 0], [0, None]],
    [0, 0],
    written=[[True, False], [True, True]],
  )
  (found,) = answers.valid_answers(np.ones((1, 2)))
  assert found == 75


def test_valid_answers_need_written_answers():
  answers = _answers(_OPTIONS, [[0, 0]], [0, 0])
  with pytest.raises(UserError, match='wrote no answers: add WRITE_OPTIONS'):
    answers.valid_answers(np.ones((1, 2)))


def test_top_share_is_that_of_the_most_frequent_prediction():
  answers = _answers(_CLASSES, [[2, 2, 2, 0], [None, 1, 0, 1]], [0, 0, 0, 0])
  (found,) = answers.top_share(np.ones((1, 4)))
  assert found == pytest.approx(100 * (3 / 4 + 2 / 3) / 2)


def test_answers_are_of_one_split_and_of_ranked_rows():
  found = [
    *records(_CLASSES, [[0]], [0]),
    *records(_CLASSES, [[1, 1]], [0, 1], split='validation'),
    {'part': 'xsum', 'split': 'test', 'text': 'free'},
  ]
  assert set(answers_of(found)) == {_CLASSES}
  assert len(answers_of(found)[_CLASSES].ids) == 1
  assert len(answers_of(found, 'validation')[_CLASSES].ids) == 2


def test_rows_are_in_the_order_of_their_ids_whatever_the_records_are():
  found = records(_CLASSES, [[0, 1, 2], [2, 1, 0]], [0, 1, 2])
  first, second = answers_of(found), answers_of(found[::-1])
  for name in ('ids', 'group', 'asked', 'predicted', 'gold', 'right'):
    a, b = (getattr(x[_CLASSES], name) for x in (first, second))
    assert np.array_equal(a, b), name


def test_resamples_draw_whole_groups_and_begin_with_all_rows():
  answers = _answers(_CLASSES, [[0] * 6], [0] * 6, groups=[0, 0, 1, 1, 1, 2])
  weights = draws(answers)
  assert weights.shape == (1 + RESAMPLES, 6)
  assert np.all(weights[0] == 1)
  for group in ([0, 1], [2, 3, 4]):
    assert np.all(weights[:, group] == weights[:, group[:1]])
  # As many groups are drawn as there are.
  assert np.all(weights[:, [0, 2, 5]].sum(axis=1) == 3)
  assert np.array_equal(weights, draws(answers))
  assert not np.array_equal(weights, draws(answers, seed=1))


def _gold(rows, seed=0):
  return np.random.default_rng(seed).integers(0, 2, rows).tolist()


@pytest.mark.slow
def test_a_difference_is_that_of_explicit_loops():
  arms = []
  for first_seed, seeds in ((10, 3), (20, 1)):
    found = []
    for seed in range(first_seed, first_seed + seeds):
      found.append(
        {
          part: _answers(part, guesses(_gold(rows), 0.6, 2, seed), _gold(rows))
          for part, rows in ((_CLASSES, 20), (_OPTIONS, 30))
        }
      )
    arms.append(found)
  result = compare(*arms, 'macro_f1')

  def value(arm, seed, resample):
    values = []
    for number, part in enumerate((_CLASSES, _OPTIONS)):
      answers = arms[arm][seed if arm == 0 else 0][part]
      weight = draws(arms[0][0][part], number)[resample]
      if part == _CLASSES:
        values.append(_f1(answers, weight))
      else:
        right = [
          np.mean(np.equal(*_repeated(answers, weight, t))) for t in (0, 1)
        ]
        values.append(100 * np.mean(right))
    return np.mean(values)

  by_seed = [value(0, seed, 0) - value(1, seed, 0) for seed in range(3)]
  assert result.difference == pytest.approx(np.mean(by_seed))
  assert result.values == pytest.approx(
    (np.mean([value(0, s, 0) for s in range(3)]), value(1, 0, 0))
  )
  resampled = [
    np.mean([value(0, seed, b) - value(1, seed, b) for seed in range(3)])
    for b in range(1, 1 + RESAMPLES, 20)
  ]
  # These 50 resamples estimate the error of the rows within a tenth or so.
  of_seeds = np.var(by_seed, ddof=1) / 3
  of_rows = result.error**2 - of_seeds
  assert np.sqrt(of_rows) == pytest.approx(np.std(resampled, ddof=1), rel=0.3)
  assert result.interval[0] < np.mean(resampled) < result.interval[1]
  assert (result.datasets, result.rows, result.seeds) == (2, 50, 3)


def _arm(accuracy, seed, rows=200):
  gold = _gold(rows)
  return {_OPTIONS: _answers(_OPTIONS, guesses(gold, accuracy, 2, seed), gold)}


@pytest.mark.parametrize('statistic', ['macro_f1', 'top_share'])
def test_an_arm_does_not_differ_from_itself(statistic):
  arm = _arm(0.7, 0)
  result = compare([arm], [arm], statistic)
  assert (result.difference, result.error, result.interval) == (0, 0, (0, 0))
  assert not result.shown


def test_a_known_effect_is_shown_and_has_its_sign():
  result = compare([_arm(0.8, 1)], [_arm(0.5, 2)], 'macro_f1')
  assert result.shown
  assert result.difference == pytest.approx(30, abs=8)
  low, high = result.interval
  assert 0 < low < result.difference < high
  other = compare([_arm(0.5, 2)], [_arm(0.8, 1)], 'macro_f1')
  assert other.difference == -result.difference and other.shown


def test_noise_is_rarely_shown():
  shown = [
    compare([_arm(0.5, 2 * n)], [_arm(0.5, 2 * n + 1)], 'macro_f1').shown
    for n in range(60)
  ]
  # Twice the standard error is exceeded in one of 22 comparisons.
  assert sum(shown) <= 8


def test_seeds_that_disagree_widen_the_error():
  base = [_arm(0.5, 0)]
  agreeing = compare([_arm(0.7, 1)] * 3, base, 'macro_f1')
  seeds = [_arm(accuracy, 1) for accuracy in (0.4, 0.7, 1.0)]
  disagreeing = compare(seeds, base, 'macro_f1')
  assert disagreeing.error > 2 * agreeing.error
  assert agreeing.shown and not disagreeing.shown


def test_datasets_count_equally_whatever_their_rows():
  rows = {_OPTIONS: 10, 'piqa': 90}
  first, second = (
    {p: _answers(p, [[option] * n], [0] * n) for p, n in rows.items()}
    for option in (0, 1)
  )
  first['piqa'] = second['piqa']
  result = compare([first], [second], 'macro_f1')
  assert result.difference == 50
  assert (result.datasets, result.rows) == (2, 100)


def test_only_common_datasets_are_compared():
  first, second = (
    {p: _answers(p, [[0, 1]], [0, 0]) for p in parts}
    for parts in ((_OPTIONS, 'piqa'), ('piqa', 'hellaswag'))
  )
  assert compare([first], [second], 'macro_f1').datasets == 1
  with pytest.raises(UserError, match='no dataset in common'):
    compare([{_OPTIONS: first[_OPTIONS]}], [second], 'macro_f1')


def test_arms_that_answered_different_rows_are_not_compared():
  first, second = (
    {_OPTIONS: _answers(_OPTIONS, [[0] * rows], [0] * rows)} for rows in (3, 4)
  )
  with pytest.raises(UserError, match='copa: the arms answered different rows'):
    compare([first], [second], 'macro_f1')


def test_seeds_are_paired_or_there_is_one():
  arm = _arm(0.5, 0, rows=4)
  assert compare([arm], [arm] * 3, 'macro_f1').seeds == 3
  with pytest.raises(ValueError, match='2 seeds and 3 are not paired'):
    compare([arm] * 2, [arm] * 3, 'macro_f1')


def test_one_group_of_rows_shows_nothing():
  first, second = (
    {_OPTIONS: _answers(_OPTIONS, [[option] * 4], [0] * 4, groups=[0] * 4)}
    for option in (0, 1)
  )
  result = compare([first], [second], 'macro_f1')
  assert result.difference == 100 and not result.shown


def test_statistics_have_the_names_of_endpoints():
  assert set(paired.STATISTICS) == {'macro_f1', 'valid_answers', 'top_share'}


def test_many_groups_that_agree_show_a_difference_without_error():
  first, second = (
    {_OPTIONS: _answers(_OPTIONS, [[option] * 20], [0] * 20)}
    for option in (0, 1)
  )
  result = compare([first], [second], 'macro_f1')
  assert result.error == 0 and result.groups == 20 and result.shown
