"""Confusion matrices: counts of records, and what is drawn of them."""

import json

import numpy as np
import pytest

from flan_jax.report.confusions import confusions, read_counts
from flan_jax.report.drawing import style
from flan_jax.report.sources import read_evaluation
from flan_jax.report.systems import System
from flan_jax.runtime.paths import user_path
from tests.report.drawn import texts
from tests.report.results_files import part, write_evaluation
from tests.studies.answers import records


def _records(name, predicted, gold, **more):
  return [
    {**record, 'format': 'instructions'}
    for record in records(name, predicted, gold, **more)
  ]


@pytest.fixture
def system(tmp_path) -> System:
  lines = _records('rte', [[0, 1, 1], [0, 0, 1]], [0, 0, 1])
  lines += _records('rte', [[1, 1, 1]], [0, 0, 0], split='validation')
  lines += _records('copa', [[0, 1]], [1, 1])  # Rows have their own options.
  lines.append(
    {'part': 'dart', 'format': 'instructions', 'split': 'test', 'text': 'free'}
  )
  parts = [part('rte', (60.0,)), part('copa', (50.0,)), part('dart', (9.0,))]
  folder = write_evaluation(tmp_path / 'e', parts, records=lines)
  return System.of('base', '', read_evaluation(user_path(folder)))


def test_answers_to_test_rows_are_counted_over_templates(system):
  counts = read_counts(system)
  assert list(counts) == ['rte']
  assert counts['rte'].tolist() == [[3, 1], [0, 2]]


def test_lines_of_a_matrix_are_shares_of_a_class(system):
  with style():
    drawing = confusions('name', 'nli', [system], [read_counts(system)])
  axes = drawing.canvas.axes[0]
  assert texts(axes) == ['75', '25', '0', '100']
  darkness = [cell.get_facecolor()[3] for cell in axes.patches]
  assert darkness == pytest.approx([0.75 * x for x in (0.75, 0.25, 0.0, 1.0)])
  words = [label.get_text() for label in axes.get_yticklabels()]
  assert words == ['yes', 'no']
  assert 'base 83 %' in drawing.alt  # 5 of 6.


def test_a_class_without_rows_has_no_share(system):
  counts = {'rte': np.array([[0, 0], [1, 1]])}
  with style():
    drawing = confusions('name', 'nli', [system], [counts])
  assert texts(drawing.canvas.axes[0])[:2] == ['–', '–']


def test_a_cluster_without_classes_has_no_figure(system):
  with style():
    counts = [read_counts(system)]
    assert confusions('name', 'commonsense', [system], counts) is None


def test_datasets_of_modules_that_are_not_loaded_are_left_out(tmp_path):
  mine = json.loads(json.dumps(part('rte', (60.0,)).as_json()))
  lines = _records('mine', [[0, 1]], [0, 0])
  parts = [part('rte', (60.0,))]
  folder = write_evaluation(tmp_path / 'e', parts, records=lines)
  path = folder / 'results.json'
  results = json.loads(path.read_text())
  results['parts'] = [{**mine, 'part': 'mine', 'dataset': 'mine'}]
  path.write_text(json.dumps(results))
  found = System.of('base', '', read_evaluation(user_path(folder)))
  assert read_counts(found) == {}
