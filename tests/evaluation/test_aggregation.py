"""From chosen options to the reported numbers, by hand-computed values."""

import dataclasses
from types import SimpleNamespace

import pytest

from flan_jax.evaluation import aggregation
from flan_jax.evaluation.aggregation import Answer
from flan_jax.evaluation.table import (
  clean_table,
  results_table,
  templates_table,
  written_table,
)


def _split(golds, adapted='', metrics=('accuracy',), groups=None, score=None):
  rows = [
    {
      'id': f'row{i}',
      'group': str(groups[i] if groups else i),
      'class': gold,
      'correct': [gold],
      **({'score': score[i]} if score else {}),
    }
    for i, gold in enumerate(golds)
  ]
  manifest = {
    'choices': {'entailment': 'yes', 'not_entailment': 'no'},
    'metrics': list(metrics),
    'dataset': 'rte',
    'cluster': 'nli',
    'adapted': adapted,
    'note': '',
    'format': 'instructions',
    'template_set': None,
    'templates': [{'target': '{answer}', 'group': None}] * 6,
  }
  return SimpleNamespace(
    rows=rows, manifest=manifest, name='rte', digest='0123'
  )


def _ranked(**by_template) -> list[Answer]:
  return [
    Answer(row, int(name[1:]), predicted, ('yes', 'no')[predicted])
    for name, predictions in by_template.items()
    for row, predicted in enumerate(predictions)
  ]


def _result(*arguments, **named):
  (result,) = aggregation.part_results(*arguments, **named)
  return {**result, 'shots': 0, 'max_rows': None}


def test_mean_std_and_best_dev_template():
  test, validation = _split([0, 0, 0, 1]), _split([0, 1])
  result = _result(
    test,
    # 100 %, 50 %, 25 %
    _ranked(t0=[0, 0, 0, 1], t3=[0, 0, 1, 0], t5=[1, 1, 1, 1]),
    validation,
    # 50 %, 100 %, 100 %: the first of the best is chosen.
    _ranked(t0=[0, 0], t3=[0, 1], t5=[0, 1]),
  )
  assert result['mean'] == pytest.approx(175 / 3)
  assert result['std'] == pytest.approx(38.188, abs=1e-3)  # n - 1
  assert result['best_validation']['template'] == 3
  assert result['best_validation']['test'] == 50
  assert result['best_validation']['validation'] == 100
  assert result['majority_rate'] == 75
  assert result['templates'][5]['most_frequent_prediction'] == 100
  # Class 0: F1 0; class 1: 2 * 1 / (1 + 4).
  assert result['templates'][5]['macro_f1'] == pytest.approx(20)
  assert result['split'] == 'recorded'


def test_no_development_rows_choose_nothing():
  test = _split([0, 1])
  result = _result(test, _ranked(t0=[0, 1]), None, [])
  assert result['best_validation'] is None and result['std'] is None


def test_adapted_splits_are_told_apart():
  test = _split([0, 1], adapted='2 rows in place of 277')
  result = _result(test, _ranked(t0=[0, 1]), None, [])
  assert result['split'] == 'adapted'
  assert result['adapted'] == {'test': '2 rows in place of 277'}


def test_the_reported_metric_is_the_first_declared():
  test = _split([0, 1, 1], metrics=('macro_f1', 'accuracy'))
  result = _result(test, _ranked(t0=[0, 1, 0]), None, [])
  assert result['metric'] == 'macro_f1'
  assert result['mean'] == pytest.approx(200 / 3)
  assert result['templates'][0]['accuracy'] == pytest.approx(200 / 3)


def test_mean_over_templates_has_an_interval_over_groups():
  test = _split([0] * 8, groups=[0, 0, 0, 0, 1, 1, 1, 1])
  ranked = _ranked(t0=[0] * 4 + [1] * 4, t1=[0] * 4 + [1] * 4)
  result = _result(test, ranked, None, [])
  # Two groups of which one is all right and one all wrong.
  assert result['interval'] == (0, 100)
  assert result['groups'] == 2


def test_table_has_a_line_a_part():
  test = _split([0, 1], adapted='2 rows')
  result = _result(test, _ranked(t0=[0, 1], t1=[0, 0]), None, [])
  lines = results_table([result]).split('\n')
  assert len(lines) == 3
  assert lines[2].split()[:5] == ['rte', 'accuracy', '2', '75.0', '(35.4)']
  assert lines[2].endswith('adapted')


def test_every_template_has_a_line_and_the_chosen_one_a_star():
  test, validation = _split([0, 1]), _split([0, 1])
  ranked = _ranked(t0=[0, 0], t4=[0, 1])
  result = _result(test, ranked, validation, ranked)
  lines = templates_table([result]).split('\n')
  assert lines[2].split()[:5] == ['rte', 'accuracy', '2', 't0', '50.0']
  assert lines[3].split()[:5] == ['rte', 'accuracy', '2', '*t4', '100.0']


def _written(targets, metrics) -> SimpleNamespace:
  """A split of two rows of free text, with two templates in two groups."""
  split = _split([0, 1], metrics=metrics)
  split.manifest['choices'] = None
  split.manifest['templates'] = [
    {'target': target, 'group': group} for target, group in targets
  ]
  for row, answers in zip(
    split.rows, (['red'], ['blue', 'azure']), strict=True
  ):
    row['answers'] = answers
    row['targets'] = {'{en}': f'the {answers[0]}'}
  return split


def test_groups_of_templates_are_reported_apart_with_their_own_references():
  split = _written([('{answer}', 'en_fr'), ('{en}', 'fr_en')], ['exact_match'])
  answers = [
    Answer(0, 0, None, 'red'),
    Answer(1, 0, None, 'azure'),
    Answer(0, 1, None, 'the red'),
    Answer(1, 1, None, 'blue'),
  ]
  there, back = aggregation.part_results(split, answers, None, [])
  assert (there['group'], there['mean']) == ('en_fr', 100)
  assert (back['group'], back['mean']) == ('fr_en', 50)
  assert there['majority_rate'] is None


def test_of_an_edit_distance_the_least_is_best():
  split = _written([('{answer}', None)] * 2, ['word_edit_distance'])
  answers = [
    Answer(row, template, None, text)
    for template, texts in enumerate((['red', 'blue'], ['red wine', 'blue']))
    for row, text in enumerate(texts)
  ]
  (result,) = aggregation.part_results(split, answers, split, answers)
  assert result['best_validation']['template'] == 0
  assert result['best_validation']['test'] == 0
  assert result['templates'][1]['word_edit_distance'] == 0.5


def test_what_cannot_be_evaluated_is_null():
  result = aggregation.null_result(_split([0]), 'no training rows')
  assert result['mean'] is None and result['null'] == 'no training rows'
  assert aggregation.summary([result]) == {}
  table = results_table([{**result, 'shots': 3, 'max_rows': None}])
  assert table.split('\n')[2].split()[:3] == ['rte.3shot', 'accuracy', '0']


def test_a_number_of_some_rows_says_of_how_many():
  result = _result(_split([0, 1, 1, 1]), _ranked(t0=[0, 1]), None, [])
  lines = results_table([{**result, 'max_rows': 2}]).split('\n')
  assert '2 of 4' in lines[2]
  assert '2 of 4' not in results_table([result])


def test_rows_that_pretraining_has_not_seen():
  test = _split([0, 0, 0, 1])
  answers = _ranked(t0=[0, 0, 1, 0], t1=[0, 1, 0, 1])
  assert _result(test, answers, None, [])['clean'] is None
  result = _result(test, answers, None, [], contaminated={'row2', 'row3', 'x'})
  # 100 and 50 percent of the two rows left.
  assert result['mean'] == pytest.approx(62.5)
  clean = result['clean']
  assert clean['mean'] == 75
  assert (clean['rows'], clean['contaminated_rows']) == (2, 2)
  assert clean['interval'][0] <= 75 <= clean['interval'][1]
  assert '+12.5' in clean_table([result])
  none = _result(
    test, answers, None, [], contaminated={f'row{i}' for i in range(4)}
  )
  assert none['clean']['mean'] is None and none['clean']['rows'] == 0
  clean_table([none])


def test_what_is_written_where_options_are_ranked():
  test = _split([0, 0, 1, 1])
  ranked = _ranked(t0=[0, 0, 1, 1], t1=[0, 0, 0, 0])
  assert _result(test, ranked, None, [])['written'] is None
  # t0: all options, half right; t1: half options, all of them right.
  written = [(0,), (1,), (1,), (0,), (0,), (), (1,), ()]
  answers = [
    dataclasses.replace(answer, written=said)
    for answer, said in zip(ranked, written, strict=True)
  ]
  result = _result(test, answers, None, [])
  assert result['written'] == {'valid_options': 75, 'accuracy': 50}
  assert '75.0' in written_table([result])
