"""Endpoints of the controls: what is compared, and which mistakes are named."""

import json

import pytest

from flan_jax.definitions import registry
from flan_jax.errors import ConfigError, UserError
from flan_jax.studies.archive import Archive
from flan_jax.studies.cell_digest import Decides
from flan_jax.studies.collect import CellResult
from flan_jax.studies.controls_panel import check_endpoints, controls_panel
from flan_jax.studies.design import StudyDesign
from tests.studies.answers import guesses, records

registry.load()

_PART, _GOLD = 'rte', [0, 1] * 50
_ENDPOINT = {
  'evaluation': 'cluster',
  'statistic': 'macro_f1',
  'comparisons': (('tuned', 'best base'), ('tuned', 'permuted')),
}
_ARMS = {
  'base': {},
  'chat': {},
  'tuned': {'train': 'flan_holdout_{holdout}'},
  'permuted': {'train': 'flan_holdout_{holdout}'},
}
_BEST = {'best base': ('base', 'chat')}


def _design(arms=None, **endpoints):
  endpoints = {'best of': _BEST, 'c': _ENDPOINT, **endpoints}
  return StudyDesign(
    arms or _ARMS,
    ('nli', 'sentiment'),
    {'cluster': {'mixture': 'flan_eval_{holdout}'}},
    (0, 1),
    'controls',
    endpoints,
  )


class _Results:
  """Makes results of cells, with the accuracies that an arm shall have."""

  def __init__(self, folder):
    self._archive = Archive(str(folder))

  def __call__(self, design, test, validation=None, unfinished=()):
    """Returns results.

    Args:
      design: The design.
      test: Arm -> accuracy on test rows.
      validation: Arm -> accuracy on validation rows; that on test rows if None.
      unfinished: Names of cells without results.
    """
    validation = validation or test
    found = []
    for cell in design.cells():
      (evaluation,) = cell.evaluations
      if cell.name in unfinished:
        found.append(CellResult(cell, None, [(evaluation, None)]))
        continue
      decides = Decides({'cell': cell.name}, {})
      made = self._archive.finish('evaluations', decides, {})
      path = made.folder / evaluation.mixture / 'records.jsonl'
      path.parent.mkdir(exist_ok=True)
      lines = []
      for split, accuracies in (('test', test), ('validation', validation)):
        options = guesses(_GOLD, accuracies[cell.arm], 2, cell.seed + 7)
        lines += records(_PART, options, _GOLD, split=split)
      path.write_text(''.join(json.dumps(line) + '\n' for line in lines))
      run = cell.train and self._archive.finish('runs', decides, {})
      found.append(CellResult(cell, run, [(evaluation, made)]))
    return found


@pytest.fixture
def results(tmp_path):
  return _Results(tmp_path)


_TEST = {'base': 0.5, 'chat': 0.6, 'tuned': 0.9, 'permuted': 0.5}


def test_each_endpoint_has_a_line_for_each_holdout_and_pair(results):
  design = _design()
  (lines,) = controls_panel(design, results(design, _TEST)).values()
  assert [(x['holdout'], x['first'], x['second']) for x in lines] == [
    (holdout, *pair)
    for holdout in ('nli', 'sentiment')
    for pair in _ENDPOINT['comparisons']
  ]
  for line in lines:
    assert (line['endpoint'], line['statistic']) == ('c', 'macro_f1')
    assert (line['datasets'], line['rows'], line['seeds']) == (1, 100, 2)
    assert line['difference'] == pytest.approx(
      line['first is'] - line['second is']
    )
    assert line['low'] < line['difference'] < line['high']
    assert line['shown'] is True


@pytest.mark.parametrize(
  'validation, best', [({'base': 0.9, 'chat': 0.2}, 'base'), ({}, 'chat')]
)
def test_validation_rows_choose_the_best_arm_and_test_rows_are_reported(
  results, validation, best
):
  design = _design()
  made = results(design, _TEST, {**_TEST, **validation})
  (lines,) = controls_panel(design, made).values()
  assert [line['best'] for line in lines] == [best, None] * 2
  assert lines[0]['second'] == 'best base'
  expected = 100 * _TEST[best]
  assert lines[0]['second is'] == pytest.approx(expected, abs=8)


def test_the_first_of_equal_arms_is_chosen(results):
  design = _design()
  made = results(design, {**_TEST, 'chat': 0.5})
  (lines,) = controls_panel(design, made).values()
  assert lines[0]['best'] == 'base'


@pytest.mark.parametrize(
  'unfinished, left',
  [
    # One seed of two is no finished arm.
    ('tuned/nli/1', []),
    ('permuted/nli/0', [('tuned', 'best base')]),
    # The best of the others would be another choice than was fixed.
    ('chat/nli/0', [('tuned', 'permuted')]),
  ],
)
def test_pairs_with_an_unfinished_arm_are_left_out(results, unfinished, left):
  design = _design()
  made = results(design, _TEST, unfinished=[unfinished])
  (lines,) = controls_panel(design, made).values()
  pairs = {
    holdout: [
      (x['first'], x['second']) for x in lines if x['holdout'] == holdout
    ]
    for holdout in design.holdouts
  }
  assert pairs == {'nli': left, 'sentiment': list(_ENDPOINT['comparisons'])}


def test_an_arm_without_the_evaluation_is_not_a_candidate(results):
  own = {'evaluations': {'other': {'mixture': 'flan_eval_{holdout}'}}}
  design = _design({**_ARMS, 'chat': own})
  (lines,) = controls_panel(design, results(design, _TEST)).values()
  assert [line['best'] for line in lines] == ['base', None] * 2


def test_an_error_of_a_comparison_names_the_endpoint_and_the_arms(results):
  written = {**_ENDPOINT, 'statistic': 'valid_answers'}
  design = _design(d=written)
  message = "endpoint 'd' under 'nli', 'tuned' and 'chat': .* WRITE_OPTIONS"
  with pytest.raises(UserError, match=message):
    controls_panel(design, results(design, _TEST))


def test_known_arms_and_evaluations_are_accepted():
  check_endpoints(_design())


@pytest.mark.parametrize(
  'changes, message',
  [
    ({'statistic': 'accuracy'}, "no statistic 'accuracy'"),
    ({'evaluation': 'clusters'}, "no evaluation 'clusters'; nearest: cluster"),
    ({'seeds': 3}, "has the fields evaluation, statistic, .*'seeds'"),
    ({'comparisons': (('tuned', 'bas'),)}, "no arm 'bas'; nearest: base"),
    ({'comparisons': (('tuned',),)}, 'is not a pair of arms'),
    ({'comparisons': 3}, 'is 3: it must be a list'),
    ({'comparisons': (3,)}, '3 is not a pair of arms'),
    ({'statistic': ['x']}, 'must be a text'),
    # A forgotten comma: (('a', 'b')) is one pair and no list of pairs.
    ({'comparisons': ('tuned', 'base')}, "'tuned' is not a pair of arms"),
  ],
)
def test_mistakes_in_an_endpoint_are_named(changes, message):
  with pytest.raises(ConfigError, match=f"endpoint 'c':? ?.*{message}"):
    check_endpoints(_design(c={**_ENDPOINT, **changes}))


def test_a_missing_field_is_named():
  endpoint = {k: v for k, v in _ENDPOINT.items() if k != 'statistic'}
  with pytest.raises(ConfigError, match="check 'statistic'"):
    check_endpoints(_design(c=endpoint))


def test_the_best_of_unknown_arms_is_a_mistake():
  design = _design(**{'best of': {'best base': ('base', 'chatt')}})
  with pytest.raises(ConfigError, match="'best base': no arm 'chatt'; nearest"):
    check_endpoints(design)
