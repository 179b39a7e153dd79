import json
import pathlib

import pytest

from flan_jax.errors import UserError
from flan_jax.report.sources import read_sources
from tests.report import results_files as files


@pytest.fixture
def run(tmp_path) -> pathlib.Path:
  return files.write_run(
    tmp_path / 'model',
    [files.part('rte', [60.0, 70.0])],
    [files.part('rte', [50.0, 52.0])],
  )


def _write_study(folder, cells=(), **changes) -> pathlib.Path:
  path = folder / 'studies/main-smoke/study.json'
  path.parent.mkdir(parents=True, exist_ok=True)
  study = files.study(cells, {'datasets': []}) | changes
  path.write_text(json.dumps(study))
  return path


def test_a_run_has_its_evaluations(run):
  (found,) = read_sources([run]).runs
  (tuned,), (base,) = found.evaluations, found.base
  assert (tuned.mixture, tuned.is_base) == ('flan_eval_nli', False)
  assert base.is_base
  # Templates are integers, as they were before they were written.
  assert base.results[0].templates.keys() == {0, 1}
  assert tuned.results[0].mean == 65.0
  assert tuned.comparison[0]['difference'] == 14.0
  assert [e['row_id'] for e in tuned.examples] == ['0', '1', '2']
  assert found.metrics[0]['loss'] == 3.0
  assert found.data['fill'] == 0.97 and 'flan_holdout_nli' in found.config


def test_evaluations_are_found_in_a_folder_of_them(run):
  found = read_sources([run / 'eval', run / 'eval/flan_eval_nli'])
  # Named twice and read once.
  assert len(found.evaluations) == 1 and not found.runs


def test_a_study_has_what_is_next_to_it(tmp_path, run):
  part = files.part('rte', [50.0])
  files.write_evaluation(tmp_path / 'studies/evaluations/a/x', [part])
  parts = [part.as_json()]
  evaluation, elsewhere = (
    {'label': label, 'folder': folder, 'parts': parts}
    for label, folder in (
      ('zero-shot', 'evaluations/a/x'),
      ('few-shot', 'evaluations/b/x'),
    )
  )
  cell = {'run': None, 'evaluations': [evaluation, elsewhere]}
  path = _write_study(tmp_path, [cell])
  for given in (path, path.parent, path.parent.parent):
    (study,) = read_sources([given]).studies
    assert list(study.evaluations) == ['evaluations/a/x']


def test_a_folder_without_results_is_named(tmp_path):
  with pytest.raises(UserError, match='nothing is no folder'):
    read_sources([tmp_path / 'nothing'])
  with pytest.raises(UserError, match=r'holds no results.*MODEL_DIR'):
    read_sources([tmp_path])


@pytest.mark.parametrize(
  'name, text',
  [
    ('metrics.jsonl', '{"step": 1'),
    ('metrics.jsonl', '{"loss": 1}'),
    ('data.json', '[]'),
    ('data.json', '{"loss_example": [{"part": "rte"}]}'),
    ('eval/flan_eval_nli/results.json', '{}'),
    ('eval/flan_eval_nli/results.json', '{"parts": [{}], "clusters": []}'),
    ('eval/flan_eval_nli/comparison.json', '[1]'),
    ('eval/flan_eval_nli/examples.jsonl', '{"part": "rte"}'),
  ],
)
def test_a_broken_file_is_named(run, name, text):
  (run / name).write_text(text)
  with pytest.raises(UserError, match=rf'{name}.* is not what this version'):
    read_sources([run])


def test_records_that_are_cut_name_their_line(run):
  path = run / 'eval/flan_eval_nli/records.jsonl'
  path.write_text('{"id": "1"}\n{"id":\n')
  (found,) = read_sources([run / 'eval/flan_eval_nli']).evaluations
  with pytest.raises(UserError, match=r'records.jsonl, line 2'):
    list(found.records())


def test_a_study_of_another_schema_is_refused(tmp_path):
  path = _write_study(tmp_path, schema=2)
  with pytest.raises(UserError, match='has schema 2, this version reads 1'):
    read_sources([path])


def test_a_study_whose_cells_are_broken_is_named(tmp_path):
  for cells in ([{}], [{'evaluations': [{'folder': 'x', 'parts': [{}]}]}]):
    path = _write_study(tmp_path, cells)
    with pytest.raises(UserError, match=r'study\.json is not what this'):
      read_sources([path])
