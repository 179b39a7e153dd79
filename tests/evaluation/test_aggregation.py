"""From answers to the reported numbers, by hand-computed values."""

import dataclasses

import pytest

from flan_jax.evaluation import aggregation
from flan_jax.evaluation.table import (
  clean_table,
  exemplar_warnings,
  legend,
  results_table,
  templates_table,
  written_table,
)
from flan_jax.terminal.blocks import plain
from tests.evaluation.splits import (
  part,
  ranked,
  ranked_split,
  result,
  split,
  texts,
)


def test_mean_std_and_best_validation_template():
  found = result(
    part(ranked_split([0, 0, 0, 1]), ranked_split([0, 1])),
    # 100 %, 50 %, 25 %
    ranked(t0=[0, 0, 0, 1], t3=[0, 0, 1, 0], t5=[1, 1, 1, 1]),
    # 50 %, 100 %, 100 %: the first of the best is chosen.
    ranked(t0=[0, 0], t3=[0, 1], t5=[0, 1]),
  )
  assert found.mean == pytest.approx(175 / 3)
  assert found.std == pytest.approx(38.188, abs=1e-3)  # n - 1
  assert found.best_validation['template'] == 3
  assert found.best_validation['test'] == 50
  assert found.best_validation['validation'] == 100
  assert found.majority_rate == 75
  assert found.templates[5]['most_frequent_prediction'] == 100
  # Class 0: F1 0; class 1: 2 * 1 / (1 + 4).
  assert found.templates[5]['macro_f1'] == pytest.approx(20)
  assert found.split == 'recorded'


def test_without_validation_rows_no_template_is_chosen():
  found = result(part(ranked_split([0, 1])), ranked(t0=[0, 1]))
  assert found.best_validation is None and found.std is None


def test_adapted_splits_are_marked():
  test = ranked_split([0, 1], adapted='2 rows instead of 277')
  found = result(part(test), ranked(t0=[0, 1]))
  assert found.as_json()['split'] == 'adapted'
  assert found.adapted == {'test': '2 rows instead of 277'}


def test_the_reported_metric_is_the_first_declared():
  found = result(
    part(ranked_split([0, 1, 1]), metrics=('macro_f1', 'accuracy')),
    ranked(t0=[0, 1, 0]),
  )
  assert found.metric == 'macro_f1'
  assert found.mean == pytest.approx(200 / 3)
  assert found.templates[0]['accuracy'] == pytest.approx(200 / 3)


def test_the_mean_over_templates_has_an_interval_over_groups():
  groups = list(range(200))
  golds, chosen = [0] * 400, ([0] * 200 + [1] * 200)
  alone = result(
    part(ranked_split(golds)), ranked(t0=chosen, t1=chosen)
  ).interval
  test = ranked_split(golds, groups=sorted(2 * groups))
  found = result(part(test), ranked(t0=chosen, t1=chosen))
  assert found.groups == 200
  # Two rows of a group agree, so that they count as one.
  width, other = (high - low for low, high in (found.interval, alone))
  assert width == pytest.approx(2**0.5 * other, rel=0.1)


def test_few_groups_have_wilsons_interval():
  test = ranked_split([0] * 8, groups=[0, 0, 0, 0, 1, 1, 1, 1])
  found = result(part(test), ranked(t0=[0] * 4 + [1] * 4, t1=[0] * 4 + [1] * 4))
  # Of the two groups, one is all right and the other all wrong.
  assert found.interval == pytest.approx((9.45, 90.55), abs=0.01)
  assert found.too_few and found.known_interval is None


def test_the_table_has_one_line_for_each_part():
  test = ranked_split([0, 1], adapted='2 rows')
  found = result(part(test), ranked(t0=[0, 1], t1=[0, 0]))
  lines = str(results_table([found])).split('\n')
  assert len(lines) == 3
  assert lines[2].split()[:5] == ['rte', 'accuracy', '2', '75.0', '(35.4)']
  assert lines[2].endswith('too few rows')


def test_every_template_has_a_line_and_the_chosen_one_a_star():
  answers = ranked(t0=[0, 0], t4=[0, 1])
  both = part(ranked_split([0, 1]), ranked_split([0, 1]))
  lines = str(templates_table([result(both, answers, answers)])).split('\n')
  assert lines[2].split()[:5] == ['rte', 'accuracy', '2', 't0', '50.0']
  assert lines[3].split()[:5] == ['rte', 'accuracy', '2', '*t4', '100.0']


def _free_text(templates):
  """A split of two rows of free text with these (target, group)."""
  rows = [
    {'answers': answers, 'targets': {'{en}': f'the {answers[0]}'}}
    for answers in (['red'], ['blue', 'azure'])
  ]
  return split(rows, templates=templates)


def test_groups_of_templates_have_their_own_results_and_references():
  test = _free_text([('{answer}', 'en_fr'), ('{en}', 'fr_en')])
  there, back = aggregation.part_results(
    part(test, metrics=['exact_match']),
    texts(['red', 'azure'], ['the red', 'blue']),
  )
  assert (there.group, there.mean) == ('en_fr', 100)
  assert (back.group, back.mean) == ('fr_en', 50)
  assert there.majority_rate is None


def test_the_lowest_edit_distance_is_best():
  test = _free_text([('{answer}', None)] * 2)
  answers = texts(['red', 'blue'], ['red wine', 'blue'])
  found = result(
    part(test, test, metrics=['word_edit_distance']), answers, answers
  )
  assert found.best_validation['template'] == 0
  assert found.best_validation['test'] == 0
  assert found.templates[1]['word_edit_distance'] == 0.5


def test_a_result_has_the_signature_of_its_bleu():
  test = _free_text([('{answer}', None)])
  answers = texts(['red', 'blue'])
  found = result(part(test, metrics=['bleu', 'exact_match']), answers)
  assert list(found.bleu_signature) == ['bleu']
  assert 'tok:13a' in found.as_json()['bleu_signature']['bleu']


def test_a_part_that_cannot_be_evaluated_has_a_reason_and_no_numbers():
  found = result(part(ranked_split([0]), shots=3, null='no training rows'), [])
  assert found.mean is None
  assert found.as_json()['null'] == 'no training rows'
  assert aggregation.summary([found]) == {}
  line = str(results_table([found])).split('\n')[2]
  assert line.split()[:3] == ['rte.3shot', 'accuracy', '0']
  evaluated = result(part(ranked_split([0])), ranked(t0=[0]))
  assert 'null' not in evaluated.as_json()


def test_exemplars_are_counted_and_few_are_named():
  split = ranked_split([0, 1, 1])
  shown = (5, 0, 1)

  def of(shots):
    answers = [
      dataclasses.replace(answer, shots=count)
      for answer, count in zip(ranked(t0=[0, 1, 0]), shown, strict=True)
    ]
    return result(part(split, shots=shots), answers)

  few = of(5)
  assert few.exemplars == {'mean': 2.0, 'least': 0} and few.lacks_exemplars
  (warning,) = exemplar_warnings([few])
  assert 'rte has 2.0 exemplars a prompt in the mean, of 5' in warning.text
  assert '2.0, least 0' in str(results_table([few]))
  for found, fix in ((2.0, 'bring more training rows'), (5.0, 'do not fit')):
    about = few.exemplars | {'found': found}
    (warning,) = exemplar_warnings([dataclasses.replace(few, exemplars=about)])
    assert fix in warning.text
  # As many as fit: one is enough. Four: 2.0 are half.
  assert not of(4).lacks_exemplars and not of(16).lacks_exemplars
  zero = result(part(split), ranked(t0=[0, 1, 0]))
  assert zero.exemplars is None and not exemplar_warnings([zero])
  assert 'exemplars' not in str(results_table([zero]))


def test_the_table_tells_if_rows_were_limited():
  test, answers = part(ranked_split([0, 1, 1, 1])), ranked(t0=[0, 1])
  limited = result(test, answers, max_rows=2)
  assert '2 of 4' in str(results_table([limited])).split('\n')[2]
  assert '2 of 4' not in str(results_table([result(test, answers)]))


def test_results_on_rows_that_pretraining_has_not_seen():
  test = part(ranked_split([0, 0, 0, 1]))
  answers = ranked(t0=[0, 0, 1, 0], t1=[0, 1, 0, 1])
  assert result(test, answers).clean is None
  found = result(test, answers, contaminated={'row2', 'row3', 'x'})
  # 100 and 50 percent of the two remaining rows.
  assert found.mean == pytest.approx(62.5)
  clean = found.clean
  assert clean['mean'] == 75
  assert (clean['rows'], clean['contaminated_rows']) == (2, 2)
  assert clean['interval'][0] <= 75 <= clean['interval'][1]
  assert '+12.5' in str(clean_table([found]))
  everything = {f'row{i}' for i in range(4)}
  none = result(test, answers, contaminated=everything)
  assert none.clean['mean'] is None and none.clean['rows'] == 0
  clean_table([none])


def test_how_often_the_model_writes_an_option():
  test = part(ranked_split([0, 0, 1, 1]))
  answers = ranked(t0=[0, 0, 1, 1], t1=[0, 0, 0, 0])
  assert result(test, answers).written is None
  # t0: all options, half right; t1: half options, all of them right.
  written = [(0,), (1,), (1,), (0,), (0,), (), (1,), ()]
  found = result(
    test,
    [
      dataclasses.replace(answer, written=options)
      for answer, options in zip(answers, written, strict=True)
    ],
  )
  assert found.written == {'valid_options': 75, 'accuracy': 50}
  assert '75.0' in str(written_table([found]))


def test_accuracy_under_each_rule_is_a_mean_over_templates():
  test = part(ranked_split([0, 1]))
  answers = ranked(t0=[0, 0], t1=[1, 1])
  assert result(test, answers).accuracies == {}
  chosen = [(0, 0), (0, 1), (1, 0), (0, 1)]
  found = result(
    test,
    [
      dataclasses.replace(answer, by_rule={'acc': a, 'acc_norm': b})
      for answer, (a, b) in zip(answers, chosen, strict=True)
    ],
  )
  assert found.accuracies == {'acc': 25, 'acc_norm': 100}


def test_a_verdict_compares_the_interval_with_the_majority():
  golds = [0, 1] * 50
  split = ranked_split(golds)
  for chosen, verdict in (
    (golds, 'above majority'),
    ([0] * 100, 'not shown'),
    ([1 - gold for gold in golds], 'below majority'),
  ):
    found = result(part(split), ranked(t0=chosen))
    assert found.verdict == found.as_json()['verdict'] == verdict
    assert str(results_table([found])).endswith(verdict)
  few = result(part(ranked_split([0, 1] * 9)), ranked(t0=[0, 1] * 9))
  assert few.verdict == 'too few rows'
  other = result(part(split, metrics=('macro_f1',)), ranked(t0=golds))
  assert other.verdict == ''


def test_tables_have_all_columns_in_a_file_and_are_explained():
  found = result(part(ranked_split([0, 1] * 50)), ranked(t0=[0, 1] * 50))
  names = 'wmt16_translate_deen', 'rte'
  results = [
    dataclasses.replace(found, part=name, adapted={'test': 'a smaller copy'})
    for name in names
  ]
  text = plain([results_table(results), *legend(results)])
  # A long name takes no column from what a pipe reads.
  assert 'macro F1' in text.splitlines()[0]
  for word in ('best:', 'majority:', 'top share:', 'verdict:'):
    assert word in text
  assert '  rte: test: a smaller copy' in text
