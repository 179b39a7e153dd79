"""Which evaluations are of one model, and what the models are called."""

import pytest

from flan_jax.report.sources import Evaluation, Sources, Study, TrainingRun
from flan_jax.report.systems import (
  System,
  base_of,
  find_systems,
  row_name,
  rows_of,
)
from tests.report.results_files import changed, part


def _evaluation(folder, *parts, step=0, mixture='flan_eval_nli'):
  about = {'mixture': mixture, 'step': step}
  return Evaluation(folder, about, parts, None, (), ())


def _run(folder, evaluations=(), base=()):
  return TrainingRun(folder, (), '', None, tuple(evaluations), tuple(base))


_RTE, _SST2 = part('rte', (50.0, 60.0)), part('sst2', (80.0, 90.0))


def _labels(systems):
  return {system.label: [*system.parts] for system in systems}


def test_an_imported_model_is_a_base_though_it_has_no_step():
  known = {'mixture': 'a', 'step': None, 'not_held_out': [], 'trained_on': None}
  base = Evaluation('base/eval/a', known, (_RTE,), None, (), ())
  assert base.is_base
  # Of another checkpoint without a step, it is not known.
  for about in ({'not_held_out': None}, {'trained_on': 'flan_holdout_nli'}):
    other = Evaluation('x', known | about, (_RTE,), None, (), ())
    assert not other.is_base
  tuned = _run('m', [_evaluation('m/eval/a', _RTE, step=9)])
  found = find_systems(Sources((base,), (tuned,)))
  assert [system.label for system in found] == ['base', 'tuned']


def test_a_run_is_a_base_and_a_tuned_model_and_the_base_comes_first():
  run = _run(
    'model',
    [_evaluation('model/eval/a', _RTE, step=9)],
    [_evaluation('model/eval_base/a', _RTE)],
  )
  systems = find_systems(Sources(runs=(run,)))
  assert [system.label for system in systems] == ['base', 'tuned']
  assert systems[1].parts == {'rte': _RTE}
  assert [e.folder for e in systems[1].evaluations] == ['model/eval/a']


def test_models_that_hold_out_different_clusters_count_as_one():
  runs = (
    _run('nli', [_evaluation('nli/eval/a', _RTE, step=9)]),
    _run('sentiment', [_evaluation('sentiment/eval/b', _SST2, step=9)]),
  )
  systems = find_systems(Sources(runs=runs))
  assert _labels(systems) == {'tuned': ['rte', 'sst2']}
  assert len(systems[0].evaluations) == 2


def test_models_that_answered_the_same_rows_have_the_names_of_their_folders():
  runs = tuple(
    _run(name, [_evaluation(f'{name}/eval/a', _RTE, step=9)])
    for name in ('x', 'y')
  )
  systems = find_systems(Sources(runs=runs))
  assert _labels(systems) == {'tuned, x': ['rte'], 'tuned, y': ['rte']}


def test_what_one_run_answered_stays_together():
  # The second run answered more, of which the first could take a part.
  runs = (
    _run('x', [_evaluation('x/eval/a', _RTE, step=9)]),
    _run(
      'y',
      [
        _evaluation('y/eval/b', _SST2, step=9),
        _evaluation('y/eval/a', _RTE, step=9),
      ],
    ),
  )
  systems = find_systems(Sources(runs=runs))
  assert _labels(systems) == {
    'tuned, x': ['rte'],
    'tuned, y': ['sst2', 'rte'],
  }


def test_a_model_is_compared_with_the_base_of_its_own_run():
  runs = tuple(
    _run(
      name,
      [_evaluation(f'{name}/eval/a', _RTE, step=9)],
      [_evaluation(f'{name}/eval_base/a', _RTE)],
    )
    for name in ('x', 'y')
  )
  systems = find_systems(Sources(runs=runs))
  bases = {s.label: base_of(s, systems).label for s in systems if not s.is_base}
  assert bases == {'tuned, x': 'base, x', 'tuned, y': 'base, y'}
  other = System('tuned', 'z', {'sst2': _SST2})
  assert base_of(other, systems) is None


def test_models_of_equal_names_have_numbers():
  evaluations = tuple(
    _evaluation(f'{root}/x/eval/a', _RTE, step=9) for root in 'ab'
  )
  systems = find_systems(Sources(evaluations=evaluations))
  assert [*_labels(systems)] == ['tuned, x', 'tuned, x (2)']


def test_checkpoints_of_a_run_have_their_steps():
  run = _run(
    'm',
    [_evaluation(f'm/eval/{n}/a', _RTE, step=n) for n in (10, 20)],
  )
  assert [*_labels(find_systems(Sources(runs=(run,))))] == [
    'step 10',
    'step 20',
  ]


def _cell(arm, seed, label, folder, *parts):
  entries = [p.as_json() for p in parts]
  evaluation = {'label': label, 'folder': folder, 'parts': entries}
  return {'arm': arm, 'seed': seed, 'evaluations': [evaluation]}


@pytest.mark.parametrize('panel, count', [('main', 2), ('controls', 0)])
def test_the_main_study_is_of_two_models_under_the_first_seed(panel, count):
  cells = [
    _cell('base', 0, 'zero-shot', 'e/0', _RTE),
    _cell('tuned', 0, 'zero-shot', 'e/1', changed(_RTE, mean=70.0)),
    _cell('tuned', 1, 'zero-shot', 'e/2', changed(_RTE, mean=10.0)),
    _cell('tuned', 0, 'few-shot', 'e/3', changed(_RTE, mean=20.0)),
  ]
  json = {'study': 'mine', 'size': 'small', 'cells': cells}
  json['design'] = {'panel': panel}
  at_hand = _evaluation('e/1', _RTE, step=9)
  study = Study('s/mine-small/study.json', json, {'e/1': at_hand}, {})
  systems = find_systems(Sources(studies=(study,)))
  assert len(systems) == count
  if systems:
    base, tuned = systems
    assert (base.parts['rte'].mean, tuned.parts['rte'].mean) == (55.0, 70.0)
    assert (base.evaluations, tuned.evaluations) == ((), (at_hand,))


def test_parts_without_a_mean_are_no_rows():
  empty = changed(_SST2, mean=None, null='no rows')
  (system,) = find_systems(
    Sources(evaluations=(_evaluation('m/eval/a', _RTE, empty),))
  )
  assert rows_of([system]) == [('nli', 'rte')]


def test_formats_and_shots_have_rows_of_their_own():
  assert row_name(_RTE) == 'rte'
  assert row_name(changed(_RTE, format='plain', shots=5)) == (
    'rte (plain), 5 shots'
  )
  french = part('wmt14_enfr', (10.0,), group='en_fr')
  assert row_name(french) == 'wmt14_enfr en_fr'
