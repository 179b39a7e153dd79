import dataclasses
import pathlib

from etils import epath
import numpy as np
import pytest

from flan_jax.report.differences import differences
from flan_jax.report.sources import read_evaluation
from flan_jax.report.systems import System
from tests.report import results_files as files

_ROWS = 40


def _records(right: int, part: str = 'rte') -> list[dict]:
  """Returns records of which the first ones are right, in groups of two."""
  return [
    {
      'part': part,
      'format': 'instructions',
      'split': 'test',
      'template': 0,
      'id': str(row),
      'group': str(row // 2),
      'shots': 0,
      'predicted': int(row >= right),
      'text': '',
      'gold': [0],
      'correct': row < right,
    }
    for row in range(_ROWS)
  ]


@pytest.fixture
def system(tmp_path):
  """Returns a function that makes a system of one evaluation."""

  def make(name: str, *results, **kept) -> System:
    folder: pathlib.Path = tmp_path / name
    files.write_evaluation(folder, results, **kept)
    evaluation = read_evaluation(epath.Path(folder))
    return System.of(name, name, evaluation)

  return make


def _result(right: int, part: str = 'rte', **values):
  groups = {'rows': _ROWS, 'groups': _ROWS // 2} | values
  return files.part(part, [100 * right / _ROWS], **groups)


def test_the_recorded_comparison_is_taken(system):
  base = system('base', _result(10))
  line = files.comparison('rte', 25.0, 50.0) | {'interval': [11.0, 39.0]}
  tuned = system('tuned', _result(20), comparison=[line])
  found = differences(base, tuned)['rte']
  assert (found.value, found.interval) == (25.0, (11.0, 39.0))
  assert found.verdict == 'better'


def test_the_comparison_with_another_model_is_not_taken(system):
  base = system('base', _result(12))
  line = files.comparison('rte', 25.0, 50.0)
  tuned = system('tuned', _result(20), comparison=[line])
  found = differences(base, tuned)['rte']
  assert found.value == 20.0 and found.interval is None
  assert 'EVAL_BASE=True' in found.note


def test_records_are_compared_by_groups_of_rows(system):
  base = system('base', _result(10), records=_records(10))
  tuned = system('tuned', _result(30), records=_records(30))
  found = differences(base, tuned)['rte']
  assert found.value == 50.0 and found.verdict == 'better'
  # Half of 20 groups are won: the error of their share is 11 points.
  low, high = found.interval
  assert 25 <= low < 30 and 70 < high <= 75
  assert np.isclose((low + high) / 2, 50, atol=5)


def test_texts_are_compared_by_their_metric(system):
  def records(right):
    return [
      {
        'part': 'natural_questions',
        'format': 'instructions',
        'split': 'test',
        'template': 0,
        'id': str(row),
        'group': str(row),
        'shots': 0,
        'text': 'paris' if row < right else 'rome',
        'references': ['Paris'],
      }
      for row in range(_ROWS)
    ]

  base, tuned = (
    system(
      name,
      _result(right, 'natural_questions', groups=_ROWS),
      records=records(right),
    )
    for name, right in (('base', 10), ('tuned', 30))
  )
  found = differences(base, tuned)['natural_questions']
  assert found.value == 50.0 and found.interval[0] > 0


def test_other_rows_are_not_compared(system):
  base = system('base', _result(10), records=_records(10)[1:])
  tuned = system('tuned', _result(30), records=_records(30))
  found = differences(base, tuned)['rte']
  assert found.interval is None
  assert 'MAX_EVAL_ROWS' in found.note


def test_records_of_another_mean_are_not_compared(system):
  base = system('base', _result(10), records=_records(10))
  tuned = system('tuned', _result(30), records=_records(31))
  assert 'recorded means' in differences(base, tuned)['rte'].note


def test_a_dataset_that_is_not_registered_names_the_flag(system):
  base, tuned = (
    system(
      name,
      dataclasses.replace(_result(right), part='mine'),
      records=_records(right, 'mine'),
    )
    for name, right in (('base', 10), ('tuned', 30))
  )
  assert '--task_module' in differences(base, tuned)['mine'].note


def test_few_groups_of_rows_give_no_interval(system):
  base = system('base', _result(10))
  line = files.comparison('rte', 25.0, 50.0) | {'groups': 19}
  tuned = system('tuned', _result(20), comparison=[line])
  found = differences(base, tuned)['rte']
  assert (found.value, found.interval) == (25.0, None)
  assert found.verdict == 'too few rows'


def test_verdicts_are_corrected_for_the_number_of_datasets(system):
  names = ('rte', 'cb', 'sst2')
  base, tuned = ([_result(right, name) for name in names] for right in (10, 20))
  lines = [files.comparison(name, 25.0, 50.0) | {'p': 0.03} for name in names]
  found = differences(
    system('base', *base), system('tuned', *tuned, comparison=lines)
  )
  assert {one.verdict for one in found.values()} == {'not shown'}
