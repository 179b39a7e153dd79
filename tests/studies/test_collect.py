"""study.json says what is finished, and the same of the same results."""

import json

import pytest

from flan_jax.errors import UserError
from flan_jax.studies import collect
from flan_jax.studies.archive import EVALUATIONS, PROMPTS, RUNS, Archive
from flan_jax.studies.cell_digest import Decides
from flan_jax.studies.collect import CellResult
from flan_jax.studies.design import (
  Cell,
  CellEvaluation,
  CellPrompt,
  StudyDesign,
)

_EVALUATION = CellEvaluation('zero-shot', 'rte', {'MAX_EVAL_ROWS': 5})
_PROMPTS = CellPrompt('32 examples', ('rte',), {'PROMPT_TRAIN_ROWS': 32})
_DESIGN = StudyDesign({'tuned': {'train': 'cb'}}, ('nli',))
_RESULTS = {
  'summary': {'accuracy': {'mean': 50.0}},
  'clusters': [],
  'parts': [{'part': 'rte', 'mean': 50.0}],
  'configuration': ['not collected'],
}


def _cell(train='cb'):
  settings = {'TRAIN_STEPS': 5}
  return Cell(
    *('tuned', 'nli', 1, train, settings, ('a.gin',), None), (_EVALUATION,), ()
  )


@pytest.fixture
def archive(tmp_path):
  return Archive(str(tmp_path))


@pytest.fixture
def run(archive):
  facts = {'steps': 5, 'tokens': 80, 'params': 7, 'other': 'not collected'}
  return archive.finish(RUNS, Decides({'steps': 5}, {}), facts)


@pytest.fixture
def evaluation(archive):
  found = archive.finish(EVALUATIONS, Decides({'asks': 1}, {}), {'params': 7})
  (found.folder / 'rte').mkdir()
  (found.folder / 'rte/results.json').write_text(json.dumps(_RESULTS))
  records = [{'id': 'rte/é'}, {'id': 'rte/1'}]
  (found.folder / 'rte/records.jsonl').write_text(
    ''.join(json.dumps(r, ensure_ascii=False) + '\n' for r in records),
    encoding='utf-8',
  )
  return found


def test_a_finished_cell_has_its_run_and_results(run, evaluation):
  result = CellResult(_cell(), run, [(_EVALUATION, evaluation)])
  assert result.finished
  assert result.as_json() == {
    'name': 'tuned/nli/1',
    'arm': 'tuned',
    'holdout': 'nli',
    'seed': 1,
    'trained_on': 'cb',
    'settings': {'TRAIN_STEPS': 5},
    'gin_files': ['a.gin'],
    'template_set': None,
    'finished': True,
    'run': {
      'folder': f'runs/{run.digest}',
      'steps': 5,
      'tokens': 80,
      'params': 7,
    },
    'evaluations': [
      {
        'label': 'zero-shot',
        'mixture': 'rte',
        'settings': {'MAX_EVAL_ROWS': 5},
        'folder': f'evaluations/{evaluation.digest}/rte',
        'params': 7,
        'summary': _RESULTS['summary'],
        'clusters': [],
        'parts': _RESULTS['parts'],
      }
    ],
    'prompts': [],
  }


def test_a_cell_without_run_or_evaluation_is_not_finished(run, evaluation):
  asked = (_EVALUATION, evaluation)
  assert not CellResult(_cell(), None, [asked]).finished
  without = CellResult(_cell(), run, [(_EVALUATION, None)])
  assert not without.finished and without.as_json()['evaluations'] == []
  prompts = CellResult(_cell(), run, [asked], [(_PROMPTS, 'rte', None)])
  assert not prompts.finished and prompts.as_json()['prompts'] == []


def test_a_soft_prompt_has_its_task_and_results(archive, run, evaluation):
  facts = {'params': 9, 'step': 4}
  prompt = archive.finish(PROMPTS, Decides({'prompt': 1}, {}), facts)
  path = prompt.folder / 'eval/rte/results.json'
  path.parent.mkdir(parents=True)
  path.write_text(json.dumps(_RESULTS))
  result = CellResult(
    *(_cell(), run, [(_EVALUATION, evaluation)], [(_PROMPTS, 'rte', prompt)])
  )
  assert result.finished
  assert result.as_json()['prompts'] == [
    {
      'label': '32 examples',
      'task': 'rte',
      'settings': {'PROMPT_TRAIN_ROWS': 32},
      'folder': f'prompts/{prompt.digest}',
      'params': 9,
      'step': 4,
      'parts': _RESULTS['parts'],
    }
  ]


def test_a_cell_that_does_not_train_needs_no_run(evaluation):
  result = CellResult(_cell(None), None, [(_EVALUATION, evaluation)])
  assert result.finished and result.as_json()['run'] is None


@pytest.mark.parametrize('text', [None, '{"parts": '])
def test_missing_or_damaged_results_are_named_with_the_fix(
  run, evaluation, text
):
  path = evaluation.folder / 'rte/results.json'
  path.unlink() if text is None else path.write_text(text)
  result = CellResult(_cell(), run, [(_EVALUATION, evaluation)])
  with pytest.raises(UserError, match=r'results.json cannot be read .*remove'):
    result.as_json()


def test_records_are_read_one_a_line(evaluation):
  records = collect.records_of(evaluation, _EVALUATION)
  assert [record['id'] for record in records] == ['rte/é', 'rte/1']


def test_results_with_shared_exemplars_are_found(evaluation):
  (evaluation.folder / 'rte').rename(evaluation.folder / 'rte.shared')
  cell = CellResult(_cell(None), None, [(_EVALUATION, evaluation)])
  (found,) = cell.as_json()['evaluations']
  assert found['summary'] == _RESULTS['summary']
  assert found['folder'] == f'{EVALUATIONS}/{evaluation.digest}/rte.shared'
  assert len(collect.records_of(evaluation, _EVALUATION)) == 2


def test_a_study_is_finished_when_all_cells_are():
  cells = [{'finished': True}, {'finished': False}]
  study = collect.study_json('main', 'smoke', _DESIGN, cells, {'means': []})
  assert not study['finished']
  assert collect.study_json('main', 'smoke', _DESIGN, [], {})['finished']
  assert (study['study'], study['size'], study['schema']) == (
    'main',
    'smoke',
    1,
  )
  assert study['design']['arms'] == {'tuned': {'train': 'cb'}}


def test_the_same_results_are_the_same_bytes(tmp_path, run, evaluation):
  texts = []
  for folder in ('first', 'second'):
    cell = CellResult(_cell(), run, [(_EVALUATION, evaluation)]).as_json()
    study = collect.study_json('main', 'smoke', _DESIGN, [cell], {})
    path = collect.write_study(str(tmp_path / folder), study)
    assert path == str(tmp_path / folder / 'main-smoke/study.json')
    texts.append(open(path, encoding='utf-8').read())
  assert texts[0] == texts[1]
  # No path of this machine is in it.
  assert str(tmp_path) not in texts[0]
  assert json.loads(texts[0])['cells'][0]['name'] == 'tuned/nli/1'
