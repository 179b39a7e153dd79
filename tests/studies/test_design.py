"""The matrix of a study: what its cells are, and which mistakes it names."""

import pytest

from flan_jax.definitions import registry
from flan_jax.errors import ConfigError, UserError
from flan_jax.studies.design import CellEvaluation, StudyDesign, find_cells

registry.load()

_ARMS = {
  'tuned': {'train': 'flan_holdout_{holdout}', 'settings': {'MICROBATCHES': 2}},
  'base': {},
}
_EVALUATIONS = {
  'zero-shot': {'mixture': 'flan_eval_{holdout}'},
  'few-shot': {
    'mixture': 'flan_eval_{holdout}.1shot',
    'settings': {'MAX_EVAL_ROWS': 5},
  },
}


def _design(**changes):
  values = {
    'arms': _ARMS,
    'holdouts': ('nli', 'sentiment'),
    'evaluations': _EVALUATIONS,
    'seeds': (3, 1),
  }
  return StudyDesign(**{**values, **changes})


def test_arms_times_holdouts_times_seeds_and_base_arms_first():
  cells = _design().cells()
  assert [cell.name for cell in cells] == [
    # An arm that does not train is the same under every seed.
    'base/nli/3',
    'base/sentiment/3',
    'tuned/nli/3',
    'tuned/nli/1',
    'tuned/sentiment/3',
    'tuned/sentiment/1',
  ]
  assert [cell.seed for cell in cells] == [3, 3, 3, 1, 3, 1]


def test_a_cell_has_the_fields_of_its_arm_with_the_holdout_filled_in():
  cell = _design().cells()[-1]
  assert cell.train == 'flan_holdout_sentiment'
  assert cell.settings == {'MICROBATCHES': 2}
  assert cell.evaluations == (
    CellEvaluation('zero-shot', 'flan_eval_sentiment', {}),
    CellEvaluation(
      'few-shot', 'flan_eval_sentiment.1shot', {'MAX_EVAL_ROWS': 5}
    ),
  )
  assert cell.mixtures() == [
    'flan_holdout_sentiment',
    'flan_eval_sentiment',
    'flan_eval_sentiment.1shot',
  ]


def test_evaluations_of_an_arm_replace_those_of_the_study():
  own = {'named': {'mixture': 'flan_eval_{holdout}.named'}}
  cells = _design(arms={**_ARMS, 'base': {'evaluations': own}}).cells()
  labels = {c.arm: [e.label for e in c.evaluations] for c in cells}
  assert labels == {'base': ['named'], 'tuned': ['zero-shot', 'few-shot']}


def test_an_evaluation_may_be_for_some_holdouts_only():
  evaluations = {
    'zero-shot': {'mixture': 'flan_eval_{holdout}'},
    'rte': {'mixture': 'rte', 'holdouts': ('nli',)},
  }
  labels = {
    cell.holdout: [e.label for e in cell.evaluations]
    for cell in _design(evaluations=evaluations).cells()
  }
  assert labels == {'nli': ['zero-shot', 'rte'], 'sentiment': ['zero-shot']}


def test_prompts_are_tuned_under_the_holdouts_that_list_tasks():
  prompts = {
    '32 examples': {'tasks': {'nli': ('rte', 'cb')}, 'settings': {'SEED': 1}}
  }
  cells = _design(
    arms={'base': {'prompts': prompts}}, evaluations={}, holdouts=('nli',)
  ).cells()
  (tuned,) = cells[0].prompts
  assert (tuned.label, tuned.tasks) == ('32 examples', ('rte', 'cb'))
  assert tuned.settings == {'SEED': 1}
  assert cells[0].mixtures() == ['rte', 'cb']


@pytest.mark.parametrize(
  'changes, message',
  [
    ({'holdouts': ()}, 'study.holdouts is empty'),
    ({'seeds': ()}, 'study.seeds is empty'),
    # A forgotten comma: ('nli') is a text.
    ({'holdouts': 'nli'}, "study.holdouts lists different values: 'nli'"),
    ({'seeds': 3}, 'study.seeds lists different values: 3'),
    ({'seeds': (0, 0)}, 'study.seeds lists different values'),
    ({'arms': {}}, 'study.arms is empty'),
    ({'arms': {'a/b': {}}}, "arm 'a/b': a name has no slash"),
    (
      {'arms': {'base': {'trian': 'rte'}}},
      "arm 'base' has no field 'trian'; nearest: train",
    ),
    (
      {'evaluations': {'all': {'mixtures': 'rte'}}},
      "evaluation 'all' has no field 'mixtures'; nearest: mixture",
    ),
    ({'evaluations': {'all': {}}}, "evaluation 'all'.*mixture"),
    (
      {'arms': {'base': {'prompts': {'32': {'task': ()}}}}},
      "prompts '32' of arm 'base' has no field 'task'",
    ),
    ({'evaluations': {}}, "arm 'tuned' is asked nothing under 'nli'"),
    (
      {'arms': {'base': {'evaluations': {}}}},
      "arm 'base' is asked nothing under 'nli'",
    ),
    (
      {'arms': {'tuned': {'train': 'rte', 'template_set': 'continuation'}}},
      "arm 'tuned' trains, and template_set only applies to evaluations",
    ),
  ],
)
def test_mistakes_are_named(changes, message):
  with pytest.raises(UserError, match=message):
    _design(**changes).cells()


def test_an_unknown_mixture_is_named_with_the_nearest_one():
  with pytest.raises(UserError, match=r'flan_eval_nil.*flan_eval_nli'):
    _design(holdouts=('nil',), arms={'base': {}}).cells()


def test_cells_are_found_by_name_in_the_order_wanted():
  cells = _design().cells()
  wanted = ['tuned/nli/1', 'base/nli/3']
  assert [cell.name for cell in find_cells(cells, wanted)] == wanted
  assert find_cells(cells, []) == cells


def test_an_unknown_cell_is_named_with_the_nearest_one():
  with pytest.raises(
    ConfigError, match="no cell 'tuned/nli/2'; nearest: tuned/nli/"
  ):
    find_cells(_design().cells(), ['tuned/nli/2'])
